//! Facts of reading: one reader, with a server that does what it should and through a proxy that breaks requests.

use std::{collections::VecDeque, sync::Mutex};

use serde_json::Value;
use tokio::time::timeout;

use super::{server::client, *};
use crate::{
    log::{Delivery, Position, ReadError, Reader},
    testing::{
        board::MemoryBoard,
        conformance::{self, Backend},
        proxy::{Edit, Fault, Proxy, Request},
    },
};

const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// A stream whose groups have a board each.
struct Tested {
    kinesis: Kinesis,
    topic: Topic,
    writer: Arc<dyn Writer>,
    _server: Arc<Server>,
}

impl Tested {
    async fn new(server: Arc<Server>, config: Config) -> Self {
        let topic = new_topic("events");
        let kinesis = Box::pin(opened(&config, &Registry::new())).await;
        let writer = Box::pin(kinesis.writer(std::slice::from_ref(&topic)));
        let writer = writer.await.unwrap();
        Self {
            kinesis,
            topic,
            writer,
            _server: server,
        }
    }

    async fn open(&self) -> Box<dyn Reader> {
        let board = Arc::new(MemoryBoard::new());
        let readers = self.kinesis.readers(board, &Registry::new()).unwrap();
        Box::pin(readers.open("events", &self.topic)).await.unwrap()
    }

    /// A reader that has all shards, from their starts.
    async fn started(&self) -> Box<dyn Reader> {
        let mut reader = self.open().await;
        let first = timeout(PATIENCE, reader.next()).await;
        let Ok(Ok(Delivery::Assigned(shards))) = first else {
            panic!("a lone reader has all shards first: {first:?}")
        };
        for shard in &shards {
            reader.seek(shard, &Position::start());
        }
        reader
    }

    /// Appends `k-<number>`, each number with a call of its own.
    async fn append(&self, numbers: std::ops::Range<u32>) {
        for record in numbered(&self.topic, "k", numbers) {
            append(self.writer.as_ref(), vec![record]).await;
        }
    }
}

impl Backend for Tested {
    fn topic(&self) -> Topic {
        self.topic.clone()
    }

    fn writer(&self) -> Arc<dyn Writer> {
        Arc::clone(&self.writer)
    }

    fn reader(&self, _: &str) -> futures_util::future::BoxFuture<'_, Box<dyn Reader>> {
        Box::pin(self.open())
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(1 << 20)
    }
}

/// The next delivery; that the stream is said to be unavailable meanwhile is no matter.
async fn heard(reader: &mut dyn Reader) -> Result<Delivery, ReadError> {
    let mut unavailable = None;
    let next = async {
        loop {
            match reader.next().await {
                Err(ReadError::Unavailable(why)) => unavailable = Some(why),
                told => return told,
            }
        }
    };
    let told = timeout(PATIENCE, next).await;
    told.unwrap_or_else(|_| panic!("no delivery within {PATIENCE:?}: {unavailable:?}"))
}

/// The numbers of the next values of the key `k`; that the stream is said to be unavailable meanwhile is no matter.
async fn read(reader: &mut dyn Reader, count: usize) -> Vec<u32> {
    let (mut found, mut unavailable) = (Vec::new(), None);
    let all = async {
        while found.len() < count {
            match reader.next().await {
                Ok(Delivery::Records(records)) => found.extend(records.values),
                Err(ReadError::Unavailable(why)) => unavailable = Some(why),
                other => panic!("{other:?}"),
            }
        }
    };
    if timeout(PATIENCE, all).await.is_err() {
        panic!("not {count} values within {PATIENCE:?}, but {found:?}: {unavailable:?}");
    }
    by_key(found).remove("k").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn writer_and_reader_pass_the_suite_of_all_backends() {
    for aggregate in [true, false] {
        Box::pin(conformance::run(|| async {
            let server = Server::local();
            let config = Config {
                aggregate,
                ..config(server.endpoint())
            };
            Box::new(Tested::new(server, config).await) as Box<dyn Backend>
        }))
        .await;
    }
}

/// A plan: the next requests of some operations are answered with these errors.
fn answered(plan: &[(&'static str, &'static str)]) -> impl FnMut(&Request) -> Fault + use<> {
    let mut plan: VecDeque<_> = plan.iter().copied().collect();
    move |request| {
        let found = plan.iter().position(|(of, _)| *of == request.operation);
        match found.and_then(|at| plan.remove(at)) {
            Some((_, "InternalFailure")) => Fault::Answer(500, "InternalFailure"),
            Some((_, code)) => Fault::Answer(400, code),
            None => Fault::None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn iterators_that_expire_and_calls_that_fail_lose_and_repeat_nothing() {
    let server = Server::local();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let stream = Tested::new(server, config(&proxy.endpoint())).await;
    stream.append(0..10).await;
    let mut reader = stream.started().await;
    assert!(read(reader.as_mut(), 10).await.into_iter().eq(0..10));
    let (records, iterator) = ("GetRecords", "GetShardIterator");
    let expired = "ExpiredIteratorException";
    let plans: [&[_]; 5] = [
        &[(records, expired); 2],
        &[(records, THROTTLED), (records, "InternalFailure")],
        &[
            (records, expired),
            (iterator, THROTTLED),
            (iterator, "InternalFailure"),
        ],
        &[(records, "ResourceNotFoundException"); 2],
        &[(records, "InternalFailure"); 8],
    ];
    let mut numbers = 10..20;
    for plan in plans {
        proxy.plan(answered(plan));
        stream.append(numbers.clone()).await;
        let found = read(reader.as_mut(), 10).await;
        assert!(
            found.iter().copied().eq(numbers.clone()),
            "{plan:?}: {found:?}"
        );
        numbers = numbers.end..numbers.end + 10;
    }
    // A reply that never comes is a failure too: what it was of is read again.
    let lost = Mutex::new(VecDeque::from([Fault::CutAfter, Fault::Truncate(100)]));
    proxy.plan(move |request| match request.operation.as_str() {
        "GetRecords" => lost.lock().unwrap().pop_front().unwrap_or(Fault::None),
        _ => Fault::None,
    });
    stream.append(numbers.clone()).await;
    assert!(read(reader.as_mut(), 10).await.into_iter().eq(numbers));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_stream_that_cannot_be_read_is_said_to_be_and_can_be_read_again_later() {
    let server = Server::local();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let stream = Tested::new(server, config(&proxy.endpoint())).await;
    stream.append(0..3).await;
    let mut reader = stream.started().await;
    read(reader.as_mut(), 3).await;
    proxy.plan(|request| match request.operation.as_str() {
        "GetRecords" => Fault::Answer(500, "InternalFailure"),
        _ => Fault::None,
    });
    let told = timeout(PATIENCE, reader.next()).await;
    let told = told.expect("it is told within PATIENCE");
    assert!(
        matches!(&told, Err(ReadError::Unavailable(why)) if why.contains("InternalFailure")),
        "{told:?}"
    );
    proxy.plan(|_| Fault::None);
    stream.append(3..6).await;
    assert!(read(reader.as_mut(), 3).await.into_iter().eq(3..6));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_shard_is_asked_at_most_four_times_a_second() {
    let server = Server::local();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let mut config = config(&proxy.endpoint());
    config.streams.shards = 1;
    let stream = Tested::new(server, config).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&asked);
    proxy.plan(move |request| {
        if request.operation == "GetRecords" {
            note.lock().unwrap().push(Instant::now());
        }
        Fault::None
    });
    let _reader = stream.started().await;
    until("the shard was asked", || asked.lock().unwrap().len() >= 10).await;
    let asked = asked.lock().unwrap().clone();
    // A request takes its time on its way, so two may come nearer to each other than they were sent; nine pauses do not.
    let took = asked[9] - asked[0];
    assert!(took >= Duration::from_millis(9 * 250 - 200), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_position_beyond_the_end_is_an_error() {
    let server = Server::local();
    let stream = Tested::new(Arc::clone(&server), config(server.endpoint())).await;
    stream.append(0..3).await;
    let mut reader = stream.started().await;
    let Ok(Delivery::Records(records)) = heard(reader.as_mut()).await else {
        panic!()
    };
    let (sequence, _) = records.end.as_str().split_once('.').unwrap();
    // The last digits count up.
    let ninth = format!("{}9999999", &sequence[..sequence.len() - 7]);
    for beyond in [ninth, format!("{sequence}0")] {
        let beyond = Position::new(&format!("{beyond}.0"));
        reader.seek(&records.partition, &beyond);
        let told = heard(reader.as_mut()).await;
        assert!(
            matches!(told, Err(ReadError::Corrupt { .. })),
            "{beyond}: {told:?}"
        );
    }
    reader.seek(&records.partition, &records.follows);
    let again = heard(reader.as_mut()).await;
    assert!(matches!(again, Ok(Delivery::Records(_))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn what_retention_removed_is_a_gap_and_what_is_left_follows() {
    let server = Server::local();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let mut config = config(&proxy.endpoint());
    config.streams.shards = 1;
    let stream = Tested::new(server, config).await;
    stream.append(0..1).await;
    let mut reader = stream.started().await;
    let Ok(Delivery::Records(first)) = heard(reader.as_mut()).await else {
        panic!()
    };
    stream.append(1..6).await;
    // No server here forgets anything: the proxy takes the oldest four of each reply.
    proxy.plan(|request| match request.operation.as_str() {
        "GetRecords" => Fault::Edit(Edit {
            body: request.body.clone(),
            reply: Arc::new(|reply| {
                let mut answer: Value = serde_json::from_slice(reply).unwrap();
                let records = answer["Records"].as_array_mut().unwrap();
                records.drain(..records.len().min(4));
                answer.to_string().into_bytes()
            }),
        }),
        _ => Fault::None,
    });
    reader.seek(&first.partition, &first.end);
    let told = heard(reader.as_mut()).await;
    let Ok(Delivery::Gap { after, records, .. }) = told else {
        panic!("{told:?}")
    };
    assert_eq!((after, records), (first.end.clone(), None));
    let Ok(Delivery::Records(left)) = heard(reader.as_mut()).await else {
        panic!()
    };
    assert_eq!(
        (left.follows, left.values),
        (first.end, vec!["k-4".into(), "k-5".into()])
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kinesis: ./headgate.sh test"]
async fn a_stream_made_anew_ends_its_readers_and_is_read_from_its_start_as_another() {
    let server = Server::local();
    let mut config = config(server.endpoint());
    config.read.member_interval_ms = 200;
    config.read.shards_interval_ms = 1_000;
    let stream = Tested::new(server, config.clone()).await;
    stream.append(0..5).await;
    let mut reader = stream.started().await;
    read(reader.as_mut(), 5).await;
    let direct = client(&config).await;
    let name = stream.topic.as_str();
    direct
        .delete_stream()
        .stream_name(name)
        .send()
        .await
        .unwrap();
    let anew = loop {
        let deleted = direct
            .describe_stream_summary()
            .stream_name(name)
            .send()
            .await;
        if deleted.is_err() {
            let made = direct.create_stream().stream_name(name).shard_count(2);
            made.send().await.unwrap();
            break stream.started().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let told = heard(reader.as_mut()).await;
    assert!(matches!(told, Err(ReadError::Recreated { .. })), "{told:?}");
    let (old, new) = (reader.stream().clone(), anew.stream().clone());
    assert!(old.name == new.name && old.incarnation != new.incarnation);
    let mut anew = anew;
    stream.append(5..10).await;
    assert!(read(anew.as_mut(), 5).await.into_iter().eq(5..10));
}
