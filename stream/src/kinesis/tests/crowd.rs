//! Several readers of one stream, while its shards and they themselves come and go.

use std::collections::BTreeSet;

use aws_sdk_kinesis::{
    Client,
    types::{ScalingType, StreamStatus},
};

use super::{
    landing::{Landing, Ledger},
    server::{client, values_of_kcl},
    *,
};
use crate::{kinesis::Read, log::Partition, testing::board::MemoryBoard};

/// Every reader must have its share of the shards after that long, whatever happened.
const SPREAD_MAX: Duration = Duration::from_secs(30);

/// Waits until the readers have all open shards between them, each once, and differ by at most one.
async fn spread(readers: &[&Landing], shards: usize) -> Duration {
    let begun = Instant::now();
    loop {
        let counts: Vec<usize> = readers.iter().map(|reader| reader.count()).collect();
        let held = readers.iter().map(|reader| reader.shards.borrow().clone());
        let all: BTreeSet<Partition> = held.flatten().collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        if all.len() == shards && counts.iter().sum::<usize>() == shards && most - least <= 1 {
            return begun.elapsed();
        }
        let took = begun.elapsed();
        assert!(took < SPREAD_MAX, "{counts:?} of {shards} after {took:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A stream under load, with a board and a ledger.
struct World {
    kinesis: Kinesis,
    topic: Topic,
    writer: Arc<dyn Writer>,
    direct: Client,
    board: MemoryBoard,
    ledger: Arc<Ledger>,
    _server: Arc<Server>,
}

impl World {
    async fn new(shards: u32, read: Read) -> Self {
        let server = Server::local();
        let mut config = config(server.endpoint());
        config.streams.shards = shards;
        config.read = read;
        let topic = new_topic("events");
        let kinesis = opened(&config, &Registry::new()).await;
        Self {
            writer: kinesis.writer(std::slice::from_ref(&topic)).await.unwrap(),
            kinesis,
            topic,
            direct: client(&config).await,
            board: MemoryBoard::new(),
            ledger: Arc::default(),
            _server: server,
        }
    }

    async fn start(&self) -> Landing {
        Landing::start(&self.kinesis, &self.topic, &self.board, &self.ledger).await
    }

    /// Appends these numbers of so many keys, a call for each number.
    async fn append(&self, keys: u32, numbers: std::ops::Range<u32>, pause: Duration) {
        for number in numbers {
            let of = |key| numbered(&self.topic, &format!("k{key}"), number..number + 1);
            append(self.writer.as_ref(), (0..keys).flat_map(of).collect()).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until all that the stream has for its consumers has landed, and nothing twice: all of so many keys up to that
    /// number.
    async fn assert_lands(&self, keys: u32, numbers: u32) {
        let stream = values_of_kcl(&self.direct, self.topic.as_str()).await;
        self.ledger.has(stream.len()).await;
        self.ledger.assert_balances(stream, keys, numbers);
    }

    async fn reshard(&self, shards: i32) {
        let name = self.topic.as_str();
        let change = self.direct.update_shard_count().stream_name(name);
        let change = change.target_shard_count(shards);
        let change = change.scaling_type(ScalingType::UniformScaling);
        change.send().await.unwrap();
        loop {
            let asked = self.direct.describe_stream_summary().stream_name(name);
            let found = asked.send().await.unwrap().stream_description_summary;
            let found = found.unwrap();
            if found.stream_status == StreamStatus::Active && found.open_shard_count == shards {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Settings with which nothing is waited for long.
fn quick() -> Read {
    Read {
        member_interval_ms: 200,
        member_silence_ms_max: 1_000,
        shards_interval_ms: 1_000,
        ..Read::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn shards_are_spread_evenly_within_30_s_of_a_reader_joining_leaving_or_dying() {
    // As it is by default.
    let world = World::new(8, Read::default()).await;
    let none = Duration::ZERO;
    let one = world.start().await;
    spread(&[&one], 8).await;
    world.append(20, 0..10, none).await;
    let (two, three) = (world.start().await, world.start().await);
    let joined = spread(&[&one, &two, &three], 8).await;
    world.append(20, 10..20, none).await;
    one.leave().await;
    let left = spread(&[&two, &three], 8).await;
    world.append(20, 20..30, none).await;
    two.kill().await;
    let died = spread(&[&three], 8).await;
    world.append(20, 30..40, none).await;
    world.assert_lands(20, 40).await;
    println!(
        "spread {joined:?} after two joined, {left:?} after one left, {died:?} after one died"
    );
    three.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn shards_that_split_and_merge_under_load_land_once_and_each_key_in_order() {
    let world = World::new(2, quick()).await;
    let readers = [world.start().await, world.start().await];
    let change = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.reshard(4).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.reshard(3).await;
    };
    tokio::join!(world.append(10, 0..120, Duration::from_millis(25)), change);
    world.assert_lands(10, 120).await;
    spread(&[&readers[0], &readers[1]], 3).await;
    // One that comes later reads no shard that has ended.
    let late = world.start().await;
    spread(&[&readers[0], &readers[1], &late], 3).await;
    late.leave().await;
    for reader in readers {
        reader.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn who_reads_on_though_the_others_think_it_dead_lands_nothing_twice() {
    let world = World::new(3, quick()).await;
    let (zombie, other) = (world.start().await, world.start().await);
    spread(&[&zombie, &other], 3).await;
    zombie.cut_off();
    // Both have some of the shards from now on.
    spread(&[&other], 3).await;
    world.append(10, 0..60, Duration::from_millis(20)).await;
    world.assert_lands(10, 60).await;
    assert!(zombie.count() > 0);
    // They were in each other's way, and neither read the same again and again.
    let lost = *world.ledger.lost.lock().unwrap();
    assert!((1..200).contains(&lost), "{lost}");
    zombie.leave().await;
    other.leave().await;
}
