//! What COPY gets of a plan: its files, or copies that fit, and the manifests that name them.

use std::sync::Arc;

use super::{
    fit, layouts,
    load::{Trouble, Worker},
    manifest::{self, Entered},
    plan::Plan,
    statements::{Part, Staged},
};
use crate::{commit::File, store};

/// A file is known to have no text that is too long for COPY, or it is looked at first.
const TEXT_BYTES_MAX: u64 = fit::TEXT_BYTES_MAX as u64;

/// The files of a plan with the same columns, as COPY gets them.
pub(super) struct Kind {
    pub(super) manifest: String,
    pub(super) columns: Arc<Vec<Staged>>,
}

/// All that COPY gets of a plan.
pub(super) struct Prepared {
    pub(super) kinds: Vec<Kind>,
    pub(super) left_out: Option<String>,
}

impl Worker {
    /// Writes the manifests, and what else COPY needs.
    pub(super) async fn prepared(&self, plan: &Plan, id: &str) -> Result<Prepared, Trouble> {
        let (mut kinds, mut left_out) = (Vec::new(), Vec::new());
        for (index, (_, files)) in plan.by_fingerprint().into_iter().enumerate() {
            let mut entered = Vec::new();
            for file in &files {
                match file
                    .text_bytes_max
                    .is_some_and(|longest| longest <= TEXT_BYTES_MAX)
                {
                    true => entered.push(Entered::from(*file)),
                    false => entered.push(self.fitted(plan, id, file, &mut left_out).await?),
                }
            }
            let first = files.first().ok_or(Trouble::Answer)?;
            kinds.push(Kind {
                columns: self
                    .layouts
                    .columns(&*self.store, first)
                    .await
                    .map_err(|error| match error {
                        layouts::Error::Store(error) => unreadable(error),
                        broken => Trouble::Refused(broken.to_string()),
                    })?,
                manifest: self.manifest(plan, id, index, &entered).await?,
            });
        }
        let left_out = match left_out.is_empty() {
            true => None,
            false => Some(self.manifest(plan, id, kinds.len(), &left_out).await?),
        };
        Ok(Prepared { kinds, left_out })
    }

    async fn manifest(
        &self,
        plan: &Plan,
        id: &str,
        index: usize,
        files: &[Entered],
    ) -> Result<String, store::Error> {
        let path = manifest_path(&plan.table, id, index);
        manifest::write(&*self.store, &self.root, &path, files).await?;
        Ok(format!("{}{path}", self.root))
    }

    /// The file, or a copy in which no text is too long; what the copy lacks is added to `left_out`.
    async fn fitted(
        &self,
        plan: &Plan,
        id: &str,
        file: &File,
        left_out: &mut Vec<Entered>,
    ) -> Result<Entered, Trouble> {
        let bytes = self.store.read(&file.path).await.map_err(unreadable)?;
        let fitted = tokio::task::spawn_blocking(move || fit::fit(bytes)).await;
        let Some(fitted) = fitted
            .map_err(|_| Trouble::Stopped)?
            .map_err(|e| Trouble::Refused(format!("{}: {e}", file.path)))?
        else {
            return Ok(file.into());
        };
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let folder = format!("{}{}/{id}", manifest::FOLDER, plan.table);
        let mut put = Vec::new();
        for (what, bytes) in [("fit", fitted.copy), ("left", fitted.lost)] {
            let entered = Entered {
                path: format!("{folder}-{what}-{name}"),
                bytes: bytes.len() as u64,
            };
            match self.store.create(&entered.path, bytes).await {
                Ok(()) | Err(store::Error::AlreadyExists { .. }) => put.push(entered),
                Err(error) => return Err(error.into()),
            }
        }
        left_out.extend(put.pop());
        put.pop().ok_or(Trouble::Answer)
    }
}

impl Kind {
    pub(super) fn part(&self) -> Part<'_> {
        Part {
            manifest: &self.manifest,
            columns: &self.columns,
        }
    }
}

pub(super) fn manifest_path(table: &str, id: &str, index: usize) -> String {
    format!("{}{table}/{id}-{index}.manifest", manifest::FOLDER)
}

/// A file that is gone, or is no Parquet file, will not be there or be one later: it is refused like what COPY refuses.
fn unreadable(error: store::Error) -> Trouble {
    match error {
        store::Error::NotFound { .. } => Trouble::Refused(error.to_string()),
        error => error.into(),
    }
}
