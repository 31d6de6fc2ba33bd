//! Following a stream's log from a commit on: a loader takes files in the order in which they landed, whatever compactors
//! make of them meanwhile.

use headgate_stream::log::StreamId;

use super::{
    COMPACT_STREAM, Error, File, Record, checkpoint::Commit, folder, read_json, spans, tail,
};
use crate::store::Store;

/// So many commits are read record by record; of more, what checkpoints have of them is read.
const RECORDS_MAX: u64 = 64;

/// A commit, as who follows the log sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Its place in the log.
    pub(crate) sequence: u64,
    /// When it was proposed, by its writer's clock, in ms since the epoch.
    pub(crate) committed_ms: i64,
    /// The files that it names.
    pub(crate) files: Vec<File>,
    /// The paths of files whose rows they hold; of compactors' commits alone.
    pub(crate) replaces: Vec<String>,
}

impl Followed {
    fn of(sequence: u64, commit: Commit) -> Self {
        Self {
            sequence,
            committed_ms: commit.committed_ms,
            files: commit.files,
            replaces: commit.replaces,
        }
    }
}

/// The streams that have a log, as `<stream>/<incarnation>`; the compactors' is none of a stream.
pub(crate) async fn streams(store: &dyn Store) -> Result<Vec<String>, Error> {
    let folders = super::snapshot::logs(store).await?;
    let names = folders.iter().filter_map(|folder| {
        let name = folder.strip_prefix(super::COMMITS)?.strip_suffix('/')?;
        let of_compactors = name.split('/').next() == Some(COMPACT_STREAM);
        (!of_compactors).then(|| name.to_owned())
    });
    Ok(names.collect())
}

/// At most `most` commits behind that one, in order; none when the log ends there. Where nothing is new, that takes one
/// request.
///
/// # Errors
/// The store fails, or the log is broken.
pub(crate) async fn behind(
    store: &dyn Store,
    log: &str,
    after: u64,
    most: u64,
) -> Result<Vec<Followed>, Error> {
    let log = log_folder(log);
    let first = after + 1;
    let path = super::record_path(&log, first);
    if read_json::<Record>(store, &path).await?.is_none() {
        return Ok(Vec::new());
    }
    // A wrong "not there" only puts off what lies behind it.
    let (newest, _) = tail::near(store, &log, (first, 0), 1).await?;
    let span = first..=newest.min(after.saturating_add(most));
    if span.end() - after <= RECORDS_MAX {
        let records = spans::checked(store, &log, span).await?;
        let followed = |record: Record| Followed::of(record.sequence, record.into());
        return Ok(records.into_iter().map(followed).collect());
    }
    let (mut found, mut sequence) = (Vec::new(), first);
    spans::below_epochs(store, &log, span, &mut |commit| {
        found.push(Followed::of(sequence, commit));
        sequence += 1;
    })
    .await?;
    Ok(found)
}

/// The log's newest commit; 0: none.
///
/// # Errors
/// The store fails, or the log is broken.
pub(crate) async fn newest(store: &dyn Store, log: &str) -> Result<u64, Error> {
    tail::newest(store, &log_folder(log)).await
}

fn log_folder(name: &str) -> String {
    let (stream, incarnation) = name.split_once('/').unwrap_or((name, ""));
    folder(&StreamId {
        name: stream.to_owned(),
        incarnation: incarnation.to_owned(),
    })
}
