//! Where an address is, by a file in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>) that the operator supplies.

use std::{fmt, io, net::IpAddr, path::Path};

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

use super::document::Field;

/// Kinds of databases that have the members that are read here, by a part of their names: MaxMind's own, and those of others
/// who follow it (`DBIP-City-Lite`).
const KINDS: [&str; 3] = ["City", "Country", "Enterprise"];

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is none of MaxMind's format, or is not whole.
    #[error("{path} is no database in MaxMind's format, or not all of one: {source}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: MaxMindDbError,
    },
    /// It tells something else.
    #[error(
        "{path} is of the kind {kind:?}; one is needed that tells cities or countries, as GeoLite2-City"
    )]
    Kind {
        /// The file.
        path: String,
        /// What it says of itself.
        kind: String,
    },
}

/// A database of places, in memory.
pub(crate) struct Geo {
    reader: Reader<Vec<u8>>,
}

impl fmt::Debug for Geo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Geo").finish_non_exhaustive()
    }
}

/// What is told of an address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place<'a> {
    #[serde(borrow)]
    country: Named<'a>,
    #[serde(borrow)]
    subdivisions: Vec<Named<'a>>,
    #[serde(borrow)]
    city: Named<'a>,
    #[serde(borrow)]
    postal: Postal<'a>,
    #[serde(borrow)]
    location: Location<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    iso_code: Option<&'a str>,
    #[serde(borrow)]
    names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Postal<'a> {
    code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Location<'a> {
    latitude: Option<f64>,
    longitude: Option<f64>,
    time_zone: Option<&'a str>,
}

impl Place<'_> {
    /// The most specific part of the country, as Snowplow's Enrich takes it.
    pub(super) fn texts(&self) -> [(Field, Option<&str>); 6] {
        let region = self.subdivisions.last();
        [
            (Field::Country, self.country.names.en),
            (Field::CountryCode, self.country.iso_code),
            (Field::Region, region.and_then(|region| region.names.en)),
            (Field::RegionCode, region.and_then(|region| region.iso_code)),
            (Field::City, self.city.names.en),
            (Field::PostalCode, self.postal.code),
        ]
    }

    /// Latitude and longitude, in degrees.
    pub(super) fn coordinates(&self) -> Option<(f64, f64)> {
        let place = self.location.latitude.zip(self.location.longitude);
        place.filter(|(latitude, longitude)| latitude.is_finite() && longitude.is_finite())
    }

    pub(super) fn timezone(&self) -> Option<&str> {
        self.location.time_zone
    }
}

impl Geo {
    /// Reads a whole file.
    ///
    /// # Errors
    /// It cannot be read, or is no database of places.
    pub(super) fn open(file: &Path) -> Result<Self, Error> {
        let path = || file.display().to_string();
        let bytes = std::fs::read(file).map_err(|source| Error::Read {
            path: path(),
            source,
        })?;
        let reader = Reader::from_source(bytes).map_err(|source| Error::Format {
            path: path(),
            source,
        })?;
        let kind = &reader.metadata().database_type;
        if !KINDS.iter().any(|known| kind.contains(known)) {
            return Err(Error::Kind {
                path: path(),
                kind: kind.to_string(),
            });
        }
        Ok(Self { reader })
    }

    /// What is told of an address, if anything is.
    pub(super) fn of(&self, address: IpAddr) -> Option<Place<'_>> {
        let found = self.reader.lookup(address).and_then(|found| found.decode());
        found.unwrap_or_else(|error| {
            tracing::debug!(%error, "address not looked up");
            None
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/GeoIP2-City-Test.mmdb"
    );

    #[test]
    fn an_address_has_a_place_and_a_private_one_has_none() {
        let geo = Geo::open(Path::new(FILE)).unwrap();
        let place = geo.of("2.125.160.216".parse().unwrap()).unwrap();
        let texts: Vec<Option<&str>> = place.texts().into_iter().map(|(_, text)| text).collect();
        let expected = [
            "United Kingdom",
            "GB",
            "West Berkshire",
            "WBK",
            "Boxford",
            "OX1",
        ];
        assert_eq!(texts, expected.map(Some));
        assert_eq!(place.coordinates(), Some((51.75, -1.25)));
        assert_eq!(place.timezone(), Some("Europe/London"));
        assert!(geo.of("10.0.0.1".parse().unwrap()).is_none());
        assert!(geo.of("2001:db8::1".parse().unwrap()).is_none());
    }

    #[test]
    fn a_file_that_is_missing_or_broken_is_told_with_its_name() {
        let told = |file: &Path| Geo::open(file).unwrap_err().to_string();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("places.mmdb");
        assert!(told(&file).contains("cannot read") && told(&file).contains("places.mmdb"));
        let whole = std::fs::read(FILE).unwrap();
        for broken in [&b"no database"[..], &whole[..whole.len() / 2], b""] {
            std::fs::write(&file, broken).unwrap();
            let told = told(&file);
            assert!(told.contains("places.mmdb is no database"), "{told}");
        }
    }
}
