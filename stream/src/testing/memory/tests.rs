//! The faults do what they say.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::Memory;
use crate::{
    log::{Delivery, Health, Position, Reader, Record, Refusal, Topic, Writer},
    testing::conformance,
};

fn record(value: &'static str) -> Record {
    Record {
        topic: Topic::new("events"),
        key: Bytes::from_static(b"k"),
        value: Bytes::from_static(value.as_bytes()),
    }
}

async fn started(memory: &Memory) -> Box<dyn Reader> {
    let mut reader = memory.reader(&Topic::new("events"), "sink");
    let Delivery::Assigned(partitions) = reader.next().await.unwrap() else {
        panic!()
    };
    for partition in &partitions {
        reader.seek(partition, &Position::start());
    }
    reader
}

#[tokio::test]
async fn refused_records_are_not_stored() {
    let memory = Memory::new(1);
    let writer = memory.writer();
    let refusal = Refusal::Unavailable("told so".into());
    memory.refuse(Some(refusal.clone()));
    assert_eq!(writer.append(vec![record("a")]).await, [Err(refusal)]);
    assert!(matches!(writer.health(), Health::Refusing(_)));
    memory.refuse(None);
    assert_eq!(writer.append(vec![record("b")]).await, [Ok(())]);
    assert_eq!(memory.values(&Topic::new("events")), ["b"]);
}

#[tokio::test]
async fn held_appends_are_neither_stored_nor_answered_until_released() {
    let memory = Memory::new(1);
    let writer = memory.writer();
    memory.hold(true);
    let mut append = writer.append(vec![record("a")]);
    assert!(futures_util::poll!(&mut append).is_pending());
    assert!(memory.values(&Topic::new("events")).is_empty());
    memory.hold(false);
    assert_eq!(append.await, [Ok(())]);
}

#[tokio::test]
async fn a_full_log_takes_records_again_once_a_group_passed_some() {
    let memory = Memory::new(1);
    let writer = memory.writer();
    memory.bound(Some(4));
    let mut reader = started(&memory).await;
    assert_eq!(writer.append(vec![record("abcd")]).await, [Ok(())]);
    let full = Refusal::Full {
        used_bytes: 4,
        bytes_max: 4,
    };
    assert_eq!(writer.append(vec![record("e")]).await, [Err(full)]);
    let Delivery::Records(records) = reader.next().await.unwrap() else {
        panic!()
    };
    reader.passed(&records.partition, &records.end);
    assert_eq!(writer.append(vec![record("e")]).await, [Ok(())]);
    assert_eq!(
        memory.passed(&Topic::new("events"), "sink", &records.partition),
        records.end
    );
}

#[tokio::test]
async fn a_partition_taken_away_delivers_nothing_until_given_back_and_sought() {
    let memory = Memory::new(1);
    let topic = Topic::new("events");
    let mut reader = started(&memory).await;
    let partition = reader.lag()[0].partition.clone();
    memory.revoke(&topic, &partition);
    memory.writer().append(vec![record("a")]).await;
    assert!(
        matches!(reader.next().await.unwrap(), Delivery::Revoked(p) if p == [partition.clone()])
    );
    assert!(futures_util::poll!(reader.next()).is_pending());
    memory.assign(&topic, &partition);
    assert!(
        matches!(reader.next().await.unwrap(), Delivery::Assigned(p) if p == [partition.clone()])
    );
    assert!(futures_util::poll!(reader.next()).is_pending());
    reader.seek(&partition, &Position::start());
    assert!(matches!(reader.next().await.unwrap(), Delivery::Records(_)));
}

struct Backend(Memory);

impl conformance::Backend for Backend {
    fn topic(&self) -> Topic {
        Topic::new("events")
    }

    fn writer(&self) -> Arc<dyn Writer> {
        self.0.writer()
    }

    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>> {
        let reader = self.0.reader(&self.topic(), group);
        Box::pin(std::future::ready(reader))
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(200_000)
    }
}

#[tokio::test]
async fn the_memory_log_conforms() {
    for partitions in [1, 3] {
        conformance::run(|| async move {
            let memory = Memory::new(partitions);
            memory.bound_record(Some(200_000));
            Box::new(Backend(memory)) as Box<dyn conformance::Backend>
        })
        .await;
    }
}
