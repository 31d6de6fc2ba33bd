//! The kinds of faults, each a line of a summary, and whom they strike.

use std::fmt;

/// What lies between gateways and sinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stream {
    Kafka,
    Kinesis,
}

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
    GatewayStream(Stream),
    SinkStream(Stream),
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
    /// All gateways' connections to the stream are refused.
    Away(Stream),
    /// The same for one gateway, and the disk that it would spill to is full.
    SpillFull(Stream),
    /// Of a request to Kinesis that writes, some records fail and the others are written.
    RecordsFail,
    /// A share of the requests that write is carried out, and the reply is lost or says that Kinesis failed.
    RepliesLost,
    /// A share of the calls that read is answered that the iterator has expired.
    IteratorsExpire,
    /// The events' stream gets four shards, and three after a while.
    Reshard,
    /// A share of the requests to Kinesis that write is refused as too many.
    WritesThrottled,
    /// The same for those that read or ask.
    ReadsThrottled,
    /// A share of all requests is answered 500 before Kinesis sees them.
    KinesisErrors,
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
    /// Every kind of a run over Kafka, in the order of the summary.
    const KAFKA: [Kind; 29] = [
        Kind::Kill(Role::Gateway),
        Kind::Kill(Role::Sink),
        Kind::Kill(Role::Broker),
        Kind::Pause(Role::Gateway),
        Kind::Pause(Role::Sink),
        Kind::Pause(Role::Broker),
        Kind::Roll(Role::Gateway),
        Kind::Roll(Role::Sink),
        Kind::Cut(Pair::ClientGateway),
        Kind::Cut(Pair::GatewayStream(Stream::Kafka)),
        Kind::Cut(Pair::SinkStream(Stream::Kafka)),
        Kind::Cut(Pair::SinkStore),
        Kind::Delay(Pair::ClientGateway),
        Kind::Delay(Pair::GatewayStream(Stream::Kafka)),
        Kind::Delay(Pair::SinkStream(Stream::Kafka)),
        Kind::Delay(Pair::SinkStore),
        Kind::HalfOpen(Pair::ClientGateway),
        Kind::HalfOpen(Pair::GatewayStream(Stream::Kafka)),
        Kind::HalfOpen(Pair::SinkStream(Stream::Kafka)),
        Kind::HalfOpen(Pair::SinkStore),
        Kind::Away(Stream::Kafka),
        Kind::SpillFull(Stream::Kafka),
        Kind::StoreErrors,
        Kind::StoreSlowDown,
        Kind::StoreExists,
        Kind::StoreUnclear,
        Kind::StoreSlow,
        Kind::Clock(Role::Gateway),
        Kind::Clock(Role::Sink),
    ];

    /// Every kind that Kinesis itself, or the way of all gateways to it, has.
    const KINESIS: [Kind; 9] = [
        Kind::RecordsFail,
        Kind::RepliesLost,
        Kind::IteratorsExpire,
        Kind::Reshard,
        Kind::Away(Stream::Kinesis),
        Kind::WritesThrottled,
        Kind::ReadsThrottled,
        Kind::KinesisErrors,
        Kind::SpillFull(Stream::Kinesis),
    ];

    /// Every other kind of a run over Kinesis.
    const AROUND_KINESIS: [Kind; 25] = [
        Kind::Kill(Role::Gateway),
        Kind::Kill(Role::Sink),
        Kind::Pause(Role::Gateway),
        Kind::Pause(Role::Sink),
        Kind::Roll(Role::Gateway),
        Kind::Roll(Role::Sink),
        Kind::Cut(Pair::ClientGateway),
        Kind::Cut(Pair::GatewayStream(Stream::Kinesis)),
        Kind::Cut(Pair::SinkStream(Stream::Kinesis)),
        Kind::Cut(Pair::SinkStore),
        Kind::Delay(Pair::ClientGateway),
        Kind::Delay(Pair::GatewayStream(Stream::Kinesis)),
        Kind::Delay(Pair::SinkStream(Stream::Kinesis)),
        Kind::Delay(Pair::SinkStore),
        Kind::HalfOpen(Pair::ClientGateway),
        Kind::HalfOpen(Pair::GatewayStream(Stream::Kinesis)),
        Kind::HalfOpen(Pair::SinkStream(Stream::Kinesis)),
        Kind::HalfOpen(Pair::SinkStore),
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

    /// Every kind of a run over that stream, in the order of the summary.
    pub(crate) fn summed(stream: Stream) -> Vec<Self> {
        let mut all = Self::of_stream(stream, true);
        all.extend(Self::around(stream));
        all.extend(Self::WAREHOUSE);
        all
    }

    /// The kinds that there are to choose from first. Without a spill nothing can fill its disk.
    pub(crate) fn of_stream(stream: Stream, spills: bool) -> Vec<Self> {
        let all = match stream {
            Stream::Kafka => &Self::KAFKA[..],
            Stream::Kinesis => &Self::KINESIS[..],
        };
        let there = |kind: &&Kind| spills || !matches!(kind, Self::SpillFull(_));
        all.iter().filter(there).copied().collect()
    }

    /// The kinds that there are to choose from beside those.
    pub(crate) fn around(stream: Stream) -> &'static [Self] {
        match stream {
            Stream::Kafka => &[],
            Stream::Kinesis => &Self::AROUND_KINESIS,
        }
    }

    /// Whether it takes a broker out: only one at a time leaves a majority.
    pub(crate) fn needs_brokers(self) -> bool {
        matches!(self, Self::Kill(Role::Broker) | Self::Pause(Role::Broker))
    }

    /// Whether Kinesis may write something and the gateway not hear of it.
    pub(crate) fn loses_replies(self) -> bool {
        let to_gateways = Pair::GatewayStream(Stream::Kinesis);
        match self {
            Self::RepliesLost | Self::Away(_) | Self::SpillFull(_) => true,
            Self::Pause(role) => role == Role::Gateway,
            Self::Cut(pair) | Self::Delay(pair) | Self::HalfOpen(pair) => pair == to_gateways,
            _ => false,
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
            Self::Away(stream) => write!(f, "{stream} refuses all gateways"),
            Self::SpillFull(stream) => {
                write!(f, "{stream} refuses a gateway whose spill's disk is full")
            }
            Self::RecordsFail => write!(f, "Kinesis fails some records of a request"),
            Self::RepliesLost => write!(f, "Kinesis writes, and the reply is lost"),
            Self::IteratorsExpire => write!(f, "Kinesis' iterators expire"),
            Self::Reshard => write!(f, "shards are split and merged"),
            Self::WritesThrottled => write!(f, "Kinesis throttles writes"),
            Self::ReadsThrottled => write!(f, "Kinesis throttles reads and questions"),
            Self::KinesisErrors => write!(f, "Kinesis answers 500"),
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

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kafka => "Kafka",
            Self::Kinesis => "Kinesis",
        })
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
        match self {
            Self::ClientGateway => write!(f, "client and gateway"),
            Self::GatewayStream(stream) => write!(f, "gateway and {stream}"),
            Self::SinkStream(stream) => write!(f, "sink and {stream}"),
            Self::SinkStore => write!(f, "sink and S3"),
            Self::SinkWarehouse => write!(f, "sink and Redshift"),
        }
    }
}
