//! What goes wrong in a run, and when: a pure function of the seed, so that a run can be repeated by its number.

use std::fmt;
use std::time::Duration;

use crate::chance::Chance;
use crate::kind::{By, Kind, Pair, Role, Stream};

/// How long a sink may be silent before its partitions go to others. A pause lasts longer.
pub(crate) const SESSION_MS: u64 = 3_000;

/// How long one request to the store may take. A store that is slow takes twice as long, as one that takes 30 s does
/// with the default of 15 s.
pub(crate) const STORE_REQUEST_MS: u64 = 2_500;

/// How long a gateway tries to write a record to Kinesis; what comes back later is for the spill.
pub(crate) const KINESIS_PRODUCE_MS: u64 = 6_000;

/// How long one request to Kinesis may take.
pub(crate) const KINESIS_REQUEST_MS: u64 = 4_000;

/// The most nodes of a role, brokers included.
pub(crate) const NODES_MAX: usize = 3;

/// Faults of a run over Kafka. The first one's kind goes round with the seed, so that consecutive seeds have all.
const FAULTS: usize = 3;

/// Faults of a run over Kinesis that are of Kinesis itself, the first of which goes round likewise.
const KINESIS_FAULTS: usize = 2;

/// How far apart in their list the kinds of the two other faults of a run over Kinesis are; both go round.
const AROUND_APART: u64 = 12;

/// Faults of the warehouse in a run that has one, beside the others and a killed sink. The first one's kind goes round with
/// the seeds that have one.
const WAREHOUSE_FAULTS: usize = 2;

/// Each seed that is a multiple of this has a warehouse.
const WAREHOUSE_EACH: u64 = 3;

/// One fault of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Since the load began.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    pub(crate) kind: Kind,
    /// Which of the nodes, from 0; a kind that concerns all of them ignores it.
    pub(crate) node: usize,
    /// For what is left to chance within the fault.
    pub(crate) chance: u64,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:6.2} s for {:.2} s: {} (node {}, chance {})",
            self.at.as_secs_f64(),
            self.lasts.as_secs_f64(),
            self.kind,
            self.node + 1,
            self.chance
        )
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) stream: Stream,
    pub(crate) seed: u64,
    pub(crate) gateways: usize,
    pub(crate) sinks: usize,
    /// Events a second, on all gateways together.
    pub(crate) rate_per_s: u64,
    pub(crate) load: Duration,
    /// The sinks load a warehouse too.
    pub(crate) warehouse: Option<By>,
    pub(crate) faults: Vec<Planned>,
    /// Answers may be lost at any time.
    pub(crate) busy: bool,
}

impl Schedule {
    /// The schedule of a seed over a stream, under a load of so long. Without a spill nothing fills its disk.
    pub(crate) fn of(stream: Stream, seed: u64, load: Duration, spills: bool) -> Self {
        let mut chance = Chance(seed);
        let kinds = match stream {
            Stream::Kafka => first_goes_round(stream, (seed, FAULTS), spills, &mut chance),
            Stream::Kinesis => {
                let own = (seed, KINESIS_FAULTS);
                let mut kinds = first_goes_round(stream, own, spills, &mut chance);
                let around = Kind::around(stream);
                kinds.push(at_round(around, seed));
                kinds.push(at_round(around, seed.wrapping_add(AROUND_APART)));
                kinds
            }
        };
        let gateways = 1 + chance.below(NODES_MAX);
        // What one sink cannot land another should be there for, more often than not.
        let sinks = (1 + chance.below(NODES_MAX + 1)).clamp(1, NODES_MAX);
        let mut faults: Vec<Planned> = kinds
            .into_iter()
            .map(|kind| planned(kind, (gateways, sinks), load, &mut chance))
            .collect();
        let (least, most) = rates_per_s(stream);
        let rate_per_s = chance.between(least, most);
        let warehouse = seed.is_multiple_of(WAREHOUSE_EACH).then(|| {
            let (by, kinds) = of_warehouse(seed / WAREHOUSE_EACH, &mut chance);
            faults.extend(
                kinds
                    .into_iter()
                    .map(|kind| planned(kind, (gateways, sinks), load, &mut chance)),
            );
            by
        });
        faults.sort_by_key(|fault| fault.at);
        Self {
            stream,
            seed,
            gateways,
            sinks,
            rate_per_s,
            load,
            warehouse,
            faults,
            busy: false,
        }
    }

    /// What a run is called.
    pub(crate) fn name(&self) -> String {
        name(self.stream, self.seed)
    }
}

/// What the run of a seed is called.
pub(crate) fn name(stream: Stream, seed: u64) -> String {
    match stream {
        Stream::Kafka => format!("seed_{seed}"),
        Stream::Kinesis => format!("kinesis_seed_{seed}"),
    }
}

/// The kind whose turn it is.
fn at_round(all: &[Kind], seed: u64) -> Kind {
    all[usize::try_from(seed.wrapping_sub(1) % all.len() as u64).unwrap_or(0)]
}

/// So many kinds of the stream's.
fn first_goes_round(
    stream: Stream,
    (seed, count): (u64, usize),
    spills: bool,
    chance: &mut Chance,
) -> Vec<Kind> {
    let all = Kind::of_stream(stream, spills);
    let mut kinds = vec![at_round(&all, seed)];
    while kinds.len() < count {
        let kind = all[chance.below(all.len())];
        let brokers = kind.needs_brokers() && kinds.iter().any(|kind| kind.needs_brokers());
        if !brokers && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The faults of the run with a warehouse of that number, and how it is spoken to.
fn of_warehouse(number: u64, chance: &mut Chance) -> (By, Vec<Kind>) {
    let all = Kind::WAREHOUSE;
    let mut kinds = vec![at_round(&all, number)];
    while kinds.len() < WAREHOUSE_FAULTS {
        let kind = all[chance.below(all.len())];
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    // Only the Data API throttles.
    let by = match chance.below(2) == 0 || kinds.contains(&Kind::WarehouseThrottles) {
        true => By::DataApi,
        false => By::Postgres,
    };
    kinds.push(Kind::Kill(Role::Sink));
    (by, kinds)
}

/// Events a second: from, and up to. The server of Kinesis hands a megabyte out in a third of a second, in which it does nothing
/// else.
fn rates_per_s(stream: Stream) -> (u64, u64) {
    match stream {
        Stream::Kafka => (300, 1_000),
        Stream::Kinesis => (100, 400),
    }
}

/// How long a fault lasts, in ms: from, and up to.
fn lasts_ms(kind: Kind) -> (u64, u64) {
    match kind {
        Kind::Kill(_) => (300, 2_500),
        Kind::Pause(Role::Sink) => (SESSION_MS + 1_500, SESSION_MS + 3_500),
        Kind::Roll(_) => (0, 500),
        _ => (1_500, 5_000),
    }
}

fn planned(
    kind: Kind,
    (gateways, sinks): (usize, usize),
    load: Duration,
    chance: &mut Chance,
) -> Planned {
    let (least, most) = lasts_ms(kind);
    let lasts_ms = chance.between(least, most);
    let load_ms = u64::try_from(load.as_millis()).unwrap_or(u64::MAX);
    let latest = load_ms.saturating_sub(lasts_ms + 1_000).max(1_000);
    let nodes = match kind {
        Kind::Kill(Role::Broker) | Kind::Pause(Role::Broker) => NODES_MAX,
        Kind::Kill(Role::Sink) | Kind::Pause(Role::Sink) | Kind::Clock(Role::Sink) => sinks,
        Kind::Cut(Pair::SinkStream(_) | Pair::SinkStore | Pair::SinkWarehouse)
        | Kind::Delay(Pair::SinkStream(_) | Pair::SinkStore | Pair::SinkWarehouse)
        | Kind::HalfOpen(Pair::SinkStream(_) | Pair::SinkStore | Pair::SinkWarehouse) => sinks,
        _ => gateways,
    };
    Planned {
        at: Duration::from_millis(chance.between(800, latest)),
        lasts: Duration::from_millis(lasts_ms),
        kind,
        node: chance.below(nodes),
        chance: chance.next() % 1_000,
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} over {}: {} gateways, {} sinks, {} events/s for {:.0} s",
            self.seed,
            self.stream,
            self.gateways,
            self.sinks,
            self.rate_per_s,
            self.load.as_secs_f64()
        )?;
        match self.warehouse {
            Some(By::DataApi) => f.write_str(", and Redshift by the Data API")?,
            Some(By::Postgres) => f.write_str(", and Redshift by PostgreSQL's protocol")?,
            None => {}
        }
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
