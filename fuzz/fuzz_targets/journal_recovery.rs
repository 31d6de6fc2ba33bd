//! Whatever happens to a journal's files, opening it never panics, and what was acknowledged is read back or
//! reported as damaged.
//!
//! The input is a list of edits, four bytes each: which file, where (two bytes), and the new value; an odd file number
//! cuts the file there instead. What is left over is written after the segment's end.

#![no_main]

use std::{fs, path::Path, time::Duration};

use headgate_stream::{
    journal::{Config, Error, Journal},
    log::{Delivery, Position, ReadError, Record, Topic},
};
use libfuzzer_sys::fuzz_target;

const VALUES: [&str; 4] = ["first", "", "third", "the fourth value"];
const FILES: [&str; 2] = ["events/0/00000000000000000000.log", "events/0/durable"];

fn open(dir: &Path) -> Result<Journal, Error> {
    let config = Config {
        dir: dir.to_owned(),
        ..Config::default()
    };
    Journal::open(
        config,
        &[Topic::new("events")],
        &prometheus::Registry::new(),
    )
}

async fn fill(journal: &Journal) {
    for value in VALUES {
        let (topic, key) = (Topic::new("events"), "k".into());
        let outcomes = journal
            .writer()
            .append(vec![Record {
                topic,
                key,
                value: value.into(),
            }])
            .await;
        assert_eq!(outcomes, [Ok(())]);
    }
}

/// Makes the edits; whether the mark is still as it was.
fn damage(dir: &Path, input: &[u8]) -> bool {
    let mut files = FILES.map(|name| fs::read(dir.join(name)).expect("the journal's file"));
    let mark = files[1].clone();
    let (edits, rest) = input.as_chunks::<4>();
    for [file, high, low, value] in edits {
        let bytes = &mut files[usize::from(file >> 1) % 2];
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
        match bytes.get_mut(at) {
            Some(byte) if file % 2 == 0 => *byte = *value,
            _ => bytes.truncate(at),
        }
    }
    files[0].extend_from_slice(rest);
    for (name, bytes) in FILES.iter().zip(&files) {
        fs::write(dir.join(name), bytes).expect("write the damage");
    }
    files[1] == mark
}

/// Every value that can be read; none when the journal says that it is damaged.
async fn read(journal: &Journal) -> Option<Vec<String>> {
    let mut reader = journal
        .reader(&Topic::new("events"), "fuzz")
        .expect("a reader");
    let mut values = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_millis(100), reader.next()).await;
        match next {
            Err(_) => return Some(values),
            Ok(Ok(Delivery::Assigned(partitions))) => {
                partitions
                    .iter()
                    .for_each(|partition| reader.seek(partition, &Position::start()));
            }
            Ok(Ok(Delivery::Records(records))) => {
                values.extend(
                    records
                        .values
                        .iter()
                        .map(|v| String::from_utf8_lossy(v).into_owned()),
                );
                if values.len() >= VALUES.len() {
                    return Some(values);
                }
            }
            Ok(Err(ReadError::Corrupt { .. })) => return None,
            Ok(other) => panic!("{other:?}"),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    runtime.block_on(async {
        let journal = open(dir.path()).expect("a new journal opens");
        fill(&journal).await;
        journal.close().await;
        let marked = damage(dir.path(), input);
        let journal = match open(dir.path()) {
            Ok(journal) => journal,
            Err(Error::Corrupt { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        if let Some(values) = read(&journal).await {
            assert_eq!(
                values,
                VALUES[..values.len()],
                "not a prefix of what was appended"
            );
            assert!(
                !marked || values.len() == VALUES.len(),
                "acknowledged records are gone: {values:?}"
            );
        }
        journal.close().await;
    });
});
