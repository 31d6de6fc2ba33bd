//! Payloads made before the run, so that the load is bounded by the server and not by making events.

use std::collections::BTreeMap;
use std::ops::Range;

use headgate_schemas::event::reserved;
use headgate_schemas::registry::Registry;
use headgate_schemas::schema::Schema;

use crate::generate::{self, Generator};
use crate::options::Options;

/// Invalid payloads made for each schema.
const INVALID_PER_SCHEMA: usize = 16;
/// Every so many invalid payloads one has a type that no schema describes.
const UNKNOWN_TYPE_EVERY: usize = 5;
const UNKNOWN_TYPE: &str = "headgate_loadtest_no_such_event";

/// Why no pool could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An event could not be made from its schema.
    #[error(transparent)]
    Generate(#[from] generate::Error),
    /// The mix names an event that the registry does not have.
    #[error("the mix names `{0}`, which no schema describes")]
    UnknownEvent(String),
    /// The registry has no schemas to make events from.
    #[error("there are no schemas to make events from")]
    Empty,
    /// There are more tables than the ledger can number.
    #[error("there are too many tables: {0}")]
    TooManyTables(usize),
}

/// One event without what makes it unique: everything from its type on.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Place of the event's table among [`Pool::tables`]; none when its type is unknown.
    pub(crate) table: Option<u16>,
    pub(crate) valid: bool,
    tail: Box<str>,
}

#[derive(Debug)]
struct Share {
    /// Where this schema's share ends on the scale from 0 to 1.
    until: f64,
    valid: Vec<Payload>,
    invalid: Vec<Payload>,
}

/// Payloads for every schema of a run, and the rule by which each event's number picks one.
#[derive(Debug)]
pub struct Pool {
    tables: Vec<String>,
    shares: Vec<Share>,
    invalid_share: f64,
    users: u64,
    seed: u64,
}

impl Pool {
    /// Makes the payloads that `options` ask for from the registry's schemas.
    ///
    /// # Errors
    /// [`Error`] when the mix names an unknown event or a schema allows no events that can be made.
    pub fn generate(registry: &Registry, options: &Options) -> Result<Pool, Error> {
        let weights = weights(registry, &options.mix)?;
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut generator = Generator::new(registry, options.seed);
        let mut pool = Pool {
            tables: Vec::new(),
            shares: Vec::new(),
            invalid_share: options.invalid_share,
            users: u64::from(options.users).max(1),
            seed: options.seed,
        };
        let mut sum = 0.0;
        for (schema, weight) in weights {
            sum += weight;
            let table = pool.table(schema.table())?;
            let mut share = Share {
                until: sum / total,
                valid: Vec::new(),
                invalid: Vec::new(),
            };
            for _ in 0..options.payloads_per_schema.max(1) {
                let data = generator.valid(schema)?;
                share.valid.push(payload(schema, Some(table), true, &data));
            }
            if options.invalid_share > 0.0 {
                share.invalid = invalid(&mut generator, schema, table)?;
            }
            pool.shares.push(share);
        }
        Ok(pool)
    }

    /// The tables that the events belong to.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    fn table(&mut self, name: &str) -> Result<u16, Error> {
        let known = self.tables.iter().position(|table| table == name);
        let at = known.unwrap_or_else(|| {
            self.tables.push(name.to_owned());
            self.tables.len() - 1
        });
        // The highest number means "no table" in the ledger.
        u16::try_from(at)
            .ok()
            .filter(|at| *at < u16::MAX)
            .ok_or(Error::TooManyTables(at))
    }

    /// The payload of event `number`; the same for the same seed.
    pub(crate) fn payload(&self, number: u64) -> Option<&Payload> {
        let mut random = mix(self.seed ^ mix(number));
        let at = fraction(random);
        let share = self
            .shares
            .iter()
            .find(|share| at < share.until)
            .or(self.shares.last())?;
        random = mix(random);
        let spoiled = fraction(random) < self.invalid_share && !share.invalid.is_empty();
        random = mix(random);
        let payloads = if spoiled {
            &share.invalid
        } else {
            &share.valid
        };
        let place = usize::try_from(random % (payloads.len() as u64).max(1)).ok()?;
        payloads.get(place)
    }

    /// The request body for the events with these numbers: an array, or an object when batches are of one.
    pub(crate) fn body(
        &self,
        run_id: &str,
        numbers: Range<u64>,
        time: &str,
        array: bool,
    ) -> String {
        let mut body = String::with_capacity(1_024);
        if array {
            body.push('[');
        }
        let first = numbers.start;
        for number in numbers {
            if number > first {
                body.push(',');
            }
            let user = mix(number.wrapping_add(self.seed)) % self.users;
            body.push_str(&format!(
                r#"{{"id":"{run_id}-{number}","source":"headgate-loadtest","time":"{time}","userid":"u_{user}""#
            ));
            body.push_str(self.payload(number).map_or("}", |payload| &payload.tail));
        }
        if array {
            body.push(']');
        }
        body
    }
}

/// The schemas to send, with their weights. Without a mix every schema weighs the same.
fn weights<'a>(
    registry: &'a Registry,
    mix: &BTreeMap<String, f64>,
) -> Result<Vec<(&'a Schema, f64)>, Error> {
    let schemas = registry.schemas().map(AsRef::as_ref);
    // SDKs' calls are sent where they are asked for: whoever has no SDKs has no such tables.
    let wanted = |schema: &&Schema| {
        !reserved(schema.name()) && (!schema.sdk_call() || mix.contains_key(schema.name()))
    };
    let schemas: Vec<&Schema> = schemas.filter(wanted).collect();
    let versions = |event: &str| {
        schemas
            .iter()
            .filter(|schema| schema.name() == event)
            .count()
    };
    if let Some(unknown) = mix.keys().find(|event| versions(event) == 0) {
        return Err(Error::UnknownEvent(unknown.clone()));
    }
    let weight = |schema: &Schema| match mix.get(schema.name()) {
        Some(weight) => Some(weight / versions(schema.name()) as f64),
        None => mix.is_empty().then_some(1.0),
    };
    let weighted = schemas
        .iter()
        .filter_map(|schema| Some((*schema, weight(schema)?)));
    let weighted: Vec<(&Schema, f64)> = weighted.collect();
    if weighted.is_empty() {
        Err(Error::Empty)
    } else {
        Ok(weighted)
    }
}

fn invalid<'a>(
    generator: &mut Generator<'a>,
    schema: &'a Schema,
    table: u16,
) -> Result<Vec<Payload>, Error> {
    let mut payloads = Vec::with_capacity(INVALID_PER_SCHEMA);
    for at in 0..INVALID_PER_SCHEMA {
        let spoiled = match generator.invalid(schema) {
            Ok((data, _)) => Some(data),
            // A schema that allows everything still leaves types that no schema describes.
            Err(generate::Error::Unspoilable { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        match spoiled.filter(|_| at % UNKNOWN_TYPE_EVERY > 0) {
            Some(data) => payloads.push(payload(schema, Some(table), false, &data)),
            None => {
                let data = generator.valid(schema)?;
                let tail = format!(r#","type":"{UNKNOWN_TYPE}","data":{data}}}"#).into();
                payloads.push(Payload {
                    table: None,
                    valid: false,
                    tail,
                });
            }
        }
    }
    Ok(payloads)
}

fn payload(schema: &Schema, table: Option<u16>, valid: bool, data: &str) -> Payload {
    let (kind, dataschema) = (schema.name(), schema.dataschema());
    let tail = format!(r#","type":"{kind}","dataschema":"{dataschema}","data":{data}}}"#).into();
    Payload { table, valid, tail }
}

/// SplitMix64's output function: spreads a number over all 64 bits.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number from 0 to below 1.
fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}
