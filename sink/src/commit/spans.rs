//! Reading many commits with few requests: epochs, then checkpoints, then records, each where the one above is
//! missing.

use std::ops::RangeInclusive;

use futures_util::{
    future::{BoxFuture, FutureExt},
    stream::{self, StreamExt, TryStreamExt},
};

use super::{
    Error, Record, broken,
    checkpoint::{self, Checkpoint, Commit, EPOCH_COMMITS},
    head::Head,
    read_json, record_path,
};
use crate::store::Store;

/// How many checkpoints or records are read at once.
const READS_MAX: usize = 16;

/// How many epochs are read at once: they may be large.
const EPOCHS_MAX: usize = 4;

/// Visits the commits of a log up to that sequence, in order.
pub(crate) async fn each_commit(
    store: &dyn Store,
    log: &str,
    newest: u64,
    visit: &mut (dyn FnMut(Commit) + Send),
) -> Result<(), Error> {
    let ends = (1..=newest / EPOCH_COMMITS).map(|epoch| epoch * EPOCH_COMMITS);
    let mut epochs = stream::iter(ends.map(|end| read_epoch(store, log, end))).buffered(EPOCHS_MAX);
    while let Some(Read { end, commits }) = epochs.try_next().await? {
        match commits {
            Some(commits) => commits.into_iter().for_each(&mut *visit),
            None => below_epochs(store, log, end - EPOCH_COMMITS + 1..=end, visit).await?,
        }
    }
    let rest = newest / EPOCH_COMMITS * EPOCH_COMMITS + 1..=newest;
    below_epochs(store, log, rest, visit).await
}

/// An epoch, or where one should be.
struct Read {
    end: u64,
    commits: Option<Vec<Commit>>,
}

fn read_epoch<'a>(
    store: &'a dyn Store,
    log: &'a str,
    end: u64,
) -> BoxFuture<'a, Result<Read, Error>> {
    async move {
        let commits = checkpoint::read_epoch(store, log, end).await?;
        Ok(Read { end, commits })
    }
    .boxed()
}

/// Visits these commits, of an epoch that is missing or has not ended.
pub(crate) async fn below_epochs(
    store: &dyn Store,
    log: &str,
    span: RangeInclusive<u64>,
    visit: &mut (dyn FnMut(Commit) + Send),
) -> Result<(), Error> {
    if span.is_empty() {
        return Ok(());
    }
    let listed = checkpoint::listed(store, log, &span).await?;
    let pieces = pieces(span, &listed).into_iter();
    let mut read = stream::iter(pieces.map(|piece| piece.read(store, log))).buffered(READS_MAX);
    let mut head = None;
    while let Some(found) = read.try_next().await? {
        match found {
            Found::Checkpoint(checkpoint) => {
                head = Some(Head::at(&checkpoint));
                checkpoint.commits.into_iter().for_each(&mut *visit);
            }
            Found::Records(records) => {
                for record in records {
                    head = Some(check(head, &record, log)?);
                    visit(record.into());
                }
            }
        }
    }
    Ok(())
}

/// These records in order, with the rules of the log checked from the record before them on.
pub(crate) async fn checked(
    store: &dyn Store,
    log: &str,
    span: RangeInclusive<u64>,
) -> Result<Vec<Record>, Error> {
    let (first, before) = (*span.start(), (span.start() - 1).max(1));
    let records = records(store, log, before..=*span.end()).await?;
    let mut head = None;
    for record in &records {
        head = Some(check(head, record, log)?);
    }
    let within = |record: &Record| record.sequence >= first;
    Ok(records.into_iter().filter(within).collect())
}

/// The record as the one behind the last, where that is known.
fn check(last: Option<Head>, record: &Record, log: &str) -> Result<Head, Error> {
    match last {
        Some(last) => last.followed_by(record, log),
        None => Head::of(record, log, record.sequence),
    }
}

async fn records(
    store: &dyn Store,
    log: &str,
    span: RangeInclusive<u64>,
) -> Result<Vec<Record>, Error> {
    let records = span.map(|sequence| record(store, log, sequence).boxed());
    let records = stream::iter(records.collect::<Vec<_>>()).buffered(READS_MAX);
    records.try_collect().await
}

/// Consecutive commits, to be read from the checkpoint at their end or else one by one.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    first: u64,
    last: u64,
    checkpoint: bool,
}

/// The span in order. A checkpoint is assumed to begin where the one before ended; `Piece::read` checks.
fn pieces(span: RangeInclusive<u64>, checkpoints: &[u64]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut first = *span.start();
    for last in checkpoints.iter().filter(|last| span.contains(last)) {
        pieces.push(Piece {
            first,
            last: *last,
            checkpoint: true,
        });
        first = last + 1;
    }
    pieces.extend((first..=*span.end()).map(|sequence| Piece {
        first: sequence,
        last: sequence,
        checkpoint: false,
    }));
    pieces
}

/// What a piece came to.
enum Found {
    Checkpoint(Checkpoint),
    Records(Vec<Record>),
}

impl Piece {
    fn read<'a>(self, store: &'a dyn Store, log: &'a str) -> BoxFuture<'a, Result<Found, Error>> {
        self.find(store, log).boxed()
    }

    async fn find(self, store: &dyn Store, log: &str) -> Result<Found, Error> {
        if self.checkpoint
            && let Some(mut found) = checkpoint::read(store, log, self.last).await?
            // Checkpoints may overlap, or begin before the span: what lies before is not of this piece.
            && found.first <= self.first
        {
            let before = usize::try_from(self.first - found.first).unwrap_or(usize::MAX);
            found.commits.drain(..before.min(found.commits.len()));
            return Ok(Found::Checkpoint(found));
        }
        let records = records(store, log, self.first..=self.last).await?;
        Ok(Found::Records(records))
    }
}

/// A record that must be there, as there are others behind it.
pub(crate) async fn record(store: &dyn Store, log: &str, sequence: u64) -> Result<Record, Error> {
    let path = record_path(log, sequence);
    match read_json(store, &path).await? {
        Some(record) => Ok(record),
        None => Err(broken(
            &path,
            "it is missing, though it or one behind it was there",
        )),
    }
}
