//! What goes wrong in a run, and when: a pure function of the seed, so that a run can be repeated by its number.

use std::fmt;
use std::time::Duration;

use crate::chance::Chance;

/// How long a sink may be silent before its partitions go to others. A pause lasts longer.
pub(crate) const SESSION_MS: u64 = 3_000;

/// How long one request to the store may take. A store that is slow takes twice as long, as one that takes 30 s does
/// with the default of 15 s.
pub(crate) const STORE_REQUEST_MS: u64 = 2_500;

/// The most nodes of a role, brokers included.
pub(crate) const NODES_MAX: usize = 3;

/// Faults of a run. The first one's kind goes round with the seed, so that consecutive seeds have all.
const FAULTS: usize = 3;

/// Faults of the warehouse in a run that has one, beside the others and a killed sink. The first one's kind goes round with
/// the seeds that have one.
const WAREHOUSE_FAULTS: usize = 2;

/// Each seed that is a multiple of this has a warehouse.
const WAREHOUSE_EACH: u64 = 3;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Sink,
    Broker,
}

/// Two parties and the connections between them, which lead through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    ClientGateway,
    GatewayKafka,
    SinkKafka,
    SinkStore,
    SinkWarehouse,
}

/// How the warehouse is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    DataApi,
    Postgres,
}

/// A kind of fault: a line of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SIGKILL, and a start after a while.
    Kill(Role),
    /// SIGSTOP, and SIGCONT after a while.
    Pause(Role),
    /// One after the other: SIGTERM, a good end, and a start.
    Roll(Role),
    /// Connections are reset, now and then.
    Cut(Pair),
    /// Bytes take longer.
    Delay(Pair),
    /// Bytes are taken and go nowhere, and nothing says so.
    HalfOpen(Pair),
    /// All gateways' connections to Kafka are refused.
    KafkaAway,
    /// The same for one gateway, and the disk that it would spill to is full.
    SpillFull,
    /// A share of the requests is answered 500 before the store sees them.
    StoreErrors,
    /// The same with 503 SlowDown.
    StoreSlowDown,
    /// A share of the creates is carried out and said to have met an object: what a retry hears.
    StoreExists,
    /// A share of the creates is carried out, and the connection reset instead of a reply.
    StoreUnclear,
    /// A share of the requests takes longer than a client waits.
    StoreSlow,
    /// A process's clock is an hour off.
    Clock(Role),
    /// All sinks' connections to the warehouse are refused.
    WarehouseAway,
    /// Transactions are committed, and the reply is lost.
    WarehouseReplies,
    /// The Data API is called too often, it says.
    WarehouseThrottles,
    /// A session ends in the middle of a COPY.
    WarehouseSession,
    /// Transactions conflict with others.
    WarehouseConflicts,
}

impl Kind {
    /// Every kind, in the order of the summary.
    pub(crate) const ALL: [Kind; 29] = [
        Kind::Kill(Role::Gateway),
        Kind::Kill(Role::Sink),
        Kind::Kill(Role::Broker),
        Kind::Pause(Role::Gateway),
        Kind::Pause(Role::Sink),
        Kind::Pause(Role::Broker),
        Kind::Roll(Role::Gateway),
        Kind::Roll(Role::Sink),
        Kind::Cut(Pair::ClientGateway),
        Kind::Cut(Pair::GatewayKafka),
        Kind::Cut(Pair::SinkKafka),
        Kind::Cut(Pair::SinkStore),
        Kind::Delay(Pair::ClientGateway),
        Kind::Delay(Pair::GatewayKafka),
        Kind::Delay(Pair::SinkKafka),
        Kind::Delay(Pair::SinkStore),
        Kind::HalfOpen(Pair::ClientGateway),
        Kind::HalfOpen(Pair::GatewayKafka),
        Kind::HalfOpen(Pair::SinkKafka),
        Kind::HalfOpen(Pair::SinkStore),
        Kind::KafkaAway,
        Kind::SpillFull,
        Kind::StoreErrors,
        Kind::StoreSlowDown,
        Kind::StoreExists,
        Kind::StoreUnclear,
        Kind::StoreSlow,
        Kind::Clock(Role::Gateway),
        Kind::Clock(Role::Sink),
    ];

    /// Every kind that is of the warehouse, in the order of the summary.
    pub(crate) const WAREHOUSE: [Kind; 8] = [
        Kind::WarehouseAway,
        Kind::WarehouseReplies,
        Kind::WarehouseThrottles,
        Kind::WarehouseSession,
        Kind::WarehouseConflicts,
        Kind::Cut(Pair::SinkWarehouse),
        Kind::Delay(Pair::SinkWarehouse),
        Kind::HalfOpen(Pair::SinkWarehouse),
    ];

    /// The kinds that there are to choose from. Without a spill nothing can fill its disk.
    pub(crate) fn all(spills: bool) -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|kind| spills || *kind != Self::SpillFull)
            .collect()
    }

    /// Whether it takes a broker out: only one at a time leaves a majority.
    fn needs_brokers(self) -> bool {
        matches!(self, Self::Kill(Role::Broker) | Self::Pause(Role::Broker))
    }

    /// How long it lasts, in ms: from, and up to.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::Kill(_) => (300, 2_500),
            Self::Pause(Role::Sink) => (SESSION_MS + 1_500, SESSION_MS + 3_500),
            Self::Roll(_) => (0, 500),
            _ => (1_500, 5_000),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(role) => write!(f, "kill -9, {role}"),
            Self::Pause(Role::Sink) => write!(f, "paused beyond its session, sink"),
            Self::Pause(role) => write!(f, "paused, {role}"),
            Self::Roll(role) => write!(f, "rolling restart, {role}s"),
            Self::Cut(pair) => write!(f, "connections cut, {pair}"),
            Self::Delay(pair) => write!(f, "delay, {pair}"),
            Self::HalfOpen(pair) => write!(f, "half-open, {pair}"),
            Self::KafkaAway => write!(f, "Kafka refuses all gateways"),
            Self::SpillFull => write!(f, "Kafka refuses a gateway whose spill's disk is full"),
            Self::StoreErrors => write!(f, "S3 answers 500"),
            Self::StoreSlowDown => write!(f, "S3 answers 503 SlowDown"),
            Self::StoreExists => write!(f, "S3 answers 412 to a create that it carried out"),
            Self::StoreUnclear => write!(f, "S3 resets after a create that it carried out"),
            Self::StoreSlow => write!(f, "S3 takes twice as long as a request may"),
            Self::Clock(role) => write!(f, "clock an hour off, {role}"),
            Self::WarehouseAway => write!(f, "Redshift refuses all sinks"),
            Self::WarehouseReplies => write!(f, "Redshift commits, and the reply is lost"),
            Self::WarehouseThrottles => write!(f, "Redshift throttles"),
            Self::WarehouseSession => write!(f, "Redshift ends a session in a COPY"),
            Self::WarehouseConflicts => write!(f, "Redshift's transactions conflict (1023)"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Sink => "sink",
            Self::Broker => "broker",
        })
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientGateway => "client and gateway",
            Self::GatewayKafka => "gateway and Kafka",
            Self::SinkKafka => "sink and Kafka",
            Self::SinkStore => "sink and S3",
            Self::SinkWarehouse => "sink and Redshift",
        })
    }
}

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
    pub(crate) seed: u64,
    pub(crate) gateways: usize,
    pub(crate) sinks: usize,
    /// Events a second, on all gateways together.
    pub(crate) rate_per_s: u64,
    pub(crate) load: Duration,
    /// The sinks load a warehouse too.
    pub(crate) warehouse: Option<By>,
    pub(crate) faults: Vec<Planned>,
}

impl Schedule {
    /// The schedule of a seed, under a load of so long, of these kinds.
    pub(crate) fn of(seed: u64, load: Duration, all: &[Kind]) -> Self {
        let mut chance = Chance(seed);
        let mut kinds = Vec::new();
        let round = usize::try_from(seed.wrapping_sub(1) % all.len() as u64).unwrap_or(0);
        kinds.push(all[round]);
        while kinds.len() < FAULTS {
            let kind = all[chance.below(all.len())];
            let brokers = kind.needs_brokers() && kinds.iter().any(|kind| kind.needs_brokers());
            if !brokers && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let gateways = 1 + chance.below(NODES_MAX);
        // What one sink cannot land another should be there for, more often than not.
        let sinks = (1 + chance.below(NODES_MAX + 1)).clamp(1, NODES_MAX);
        let mut faults: Vec<Planned> = kinds
            .into_iter()
            .map(|kind| planned(kind, (gateways, sinks), load, &mut chance))
            .collect();
        let rate_per_s = chance.between(300, 1_000);
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
            seed,
            gateways,
            sinks,
            rate_per_s,
            load,
            warehouse,
            faults,
        }
    }
}

/// The faults of the run with a warehouse of that number, and how it is spoken to.
fn of_warehouse(number: u64, chance: &mut Chance) -> (By, Vec<Kind>) {
    let all = Kind::WAREHOUSE;
    let round = usize::try_from(number.wrapping_sub(1) % all.len() as u64).unwrap_or(0);
    let mut kinds = vec![all[round]];
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

fn planned(
    kind: Kind,
    (gateways, sinks): (usize, usize),
    load: Duration,
    chance: &mut Chance,
) -> Planned {
    let (least, most) = kind.lasts_ms();
    let lasts_ms = chance.between(least, most);
    let load_ms = u64::try_from(load.as_millis()).unwrap_or(u64::MAX);
    let latest = load_ms.saturating_sub(lasts_ms + 1_000).max(1_000);
    let nodes = match kind {
        Kind::Kill(Role::Broker) | Kind::Pause(Role::Broker) => NODES_MAX,
        Kind::Kill(Role::Sink) | Kind::Pause(Role::Sink) | Kind::Clock(Role::Sink) => sinks,
        Kind::Cut(Pair::SinkKafka | Pair::SinkStore | Pair::SinkWarehouse)
        | Kind::Delay(Pair::SinkKafka | Pair::SinkStore | Pair::SinkWarehouse)
        | Kind::HalfOpen(Pair::SinkKafka | Pair::SinkStore | Pair::SinkWarehouse) => sinks,
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
            "seed {}: {} gateways, {} sinks, {} brokers, {} events/s for {:.0} s",
            self.seed,
            self.gateways,
            self.sinks,
            NODES_MAX,
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
