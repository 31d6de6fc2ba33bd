//! Checkpoints and epochs of a log, by whoever made them due or finds them missing.

use super::{
    super::{
        Error, VERSION,
        checkpoint::{self, Checkpoint, Commit, EPOCH_COMMITS, EPOCH_FILES_MAX, Epoch},
        head::Head,
        spans,
    },
    Log, to_json,
};
use crate::store::{self, Store};

impl Log {
    /// Writes a checkpoint when one is due. It only saves reading, so that the store fails is logged and forgotten.
    /// Who writes one reads what it covers: a log that is found broken there is an error.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), Error> {
        let Some((first, last)) = self.due.take() else {
            return Ok(());
        };
        match self.write_checkpoint(first, last).await {
            Err(error) if error.transient() => {
                tracing::warn!(%error, "no checkpoint of the commit log written");
                Ok(())
            }
            written => written,
        }
    }

    /// The newest checkpoint that should be there and is not, because who had to write it did not.
    pub(super) async fn missed(&self) -> Result<Option<(u64, u64)>, Error> {
        let last = match self.head.due() {
            Some((_, last)) => last,
            None => self.head.covered(),
        };
        if last == 0 {
            return Ok(None);
        }
        let path = checkpoint::path(&self.folder, last);
        match self.store.head(&path).await {
            Ok(_) => Ok(None),
            Err(store::Error::NotFound { .. }) => {
                let record = spans::record(&*self.store, &self.folder, last).await?;
                Ok(Head::of(&record, &self.folder, last)?.due())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn write_checkpoint(&mut self, first: u64, last: u64) -> Result<(), Error> {
        let records = spans::checked(&*self.store, &self.folder, first..=last).await?;
        let Some(checkpoint) = Checkpoint::of(&self.id, first, records) else {
            return Ok(());
        };
        let path = checkpoint::path(&self.folder, last);
        create(&*self.store, &path, &checkpoint).await?;
        self.epoch(last).await
    }

    /// Collects the newest epoch that has ended, if nobody has.
    async fn epoch(&mut self, sequence: u64) -> Result<(), Error> {
        let end = sequence / EPOCH_COMMITS * EPOCH_COMMITS;
        if end <= self.epoch {
            return Ok(());
        }
        let path = checkpoint::epoch_path(&self.folder, end);
        if let Err(store::Error::NotFound { .. }) = self.store.head(&path).await {
            let first = end - EPOCH_COMMITS + 1;
            let (mut commits, mut files) = (Vec::new(), 0);
            let mut collect = |commit: Commit| {
                files += commit.files.len() + commit.replaces.len();
                if files > EPOCH_FILES_MAX {
                    commits.clear();
                } else if !commit.files.is_empty() {
                    commits.push(commit);
                }
            };
            spans::below_epochs(&*self.store, &self.folder, first..=end, &mut collect).await?;
            let epoch = Epoch {
                version: VERSION,
                stream: self.id.name.clone(),
                incarnation: self.id.incarnation.clone(),
                first,
                sequence: end,
                commits: Some(commits).filter(|_| files <= EPOCH_FILES_MAX),
            };
            create(&*self.store, &path, &epoch).await?;
        }
        self.epoch = end;
        Ok(())
    }
}

/// Creates an object that is the same whoever creates it.
async fn create(
    store: &dyn Store,
    path: &str,
    value: &(impl serde::Serialize + Sync),
) -> Result<(), Error> {
    match store.create(path, to_json(path, value)?).await {
        Err(store::Error::AlreadyExists { .. }) => Ok(()),
        created => Ok(created?),
    }
}
