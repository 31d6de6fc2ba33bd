//! The values of JSON Schema's `format`: always asserted, and refused at load when the name is unknown.
//!
//! What is not in [`Format::names`] (`iri`, `idn-email`, `idn-hostname`, `uri-template`, ...) is refused rather than
//! ignored: a schema that names a format means it.

mod net;
mod text;
mod time;

pub use time::{date_days, date_time_micros, write_date_time};

use crate::pattern;

/// A format that strings are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Date,
    DateTime,
    Duration,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    JsonPointer,
    Regex,
    RelativeJsonPointer,
    Time,
    Uri,
    UriReference,
    Uuid,
}

const ALL: &[(&str, Format)] = &[
    ("date", Format::Date),
    ("date-time", Format::DateTime),
    ("duration", Format::Duration),
    ("email", Format::Email),
    ("hostname", Format::Hostname),
    ("ipv4", Format::Ipv4),
    ("ipv6", Format::Ipv6),
    ("json-pointer", Format::JsonPointer),
    ("regex", Format::Regex),
    ("relative-json-pointer", Format::RelativeJsonPointer),
    ("time", Format::Time),
    ("uri", Format::Uri),
    ("uri-reference", Format::UriReference),
    ("uuid", Format::Uuid),
];

impl Format {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        ALL.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, format)| *format)
    }

    pub(crate) fn name(self) -> &'static str {
        ALL.iter()
            .find(|(_, format)| *format == self)
            .map_or("", |(name, _)| name)
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    #[inline]
    pub(crate) fn matches(self, value: &str) -> bool {
        match self {
            Self::Date => date_days(value).is_some(),
            Self::DateTime => date_time_micros(value).is_some(),
            Self::Duration => text::is_duration(value),
            Self::Email => net::is_email(value),
            Self::Hostname => net::is_hostname(value),
            Self::Ipv4 => net::is_ipv4(value),
            Self::Ipv6 => net::is_ipv6(value),
            Self::JsonPointer => text::is_json_pointer(value),
            Self::Regex => pattern::is_regex(value),
            Self::RelativeJsonPointer => text::is_relative_json_pointer(value),
            Self::Time => time::is_time(value),
            Self::Uri => net::is_uri(value),
            Self::UriReference => net::is_uri_reference(value),
            Self::Uuid => text::is_uuid(value),
        }
    }
}
