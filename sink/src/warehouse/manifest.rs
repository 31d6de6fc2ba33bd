//! COPY manifests: which files a load takes, and how large each is.
//!
//! `mandatory` is always said, as its default skips what is missing without a word; so is the length, which COPY from
//! Parquet wants. <https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html>

use bytes::Bytes;
use serde::Serialize;

use crate::{
    commit::File,
    store::{self, Store},
    sweep::LOADS,
};

/// Where manifests are, below the store's root.
pub(crate) const FOLDER: &str = LOADS;

#[derive(Serialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    url: String,
    mandatory: bool,
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    content_length: u64,
}

/// A file as the warehouse finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entered {
    pub(super) path: String,
    pub(super) bytes: u64,
}

impl From<&File> for Entered {
    fn from(file: &File) -> Self {
        Self {
            path: file.path.clone(),
            bytes: file.bytes,
        }
    }
}

/// Writes the manifest of these files, where it is not there already: the same plan writes the same bytes. `root` is the
/// store's address, as `s3://bucket/prefix/`.
pub(super) async fn write(
    store: &dyn Store,
    root: &str,
    path: &str,
    files: &[Entered],
) -> Result<(), store::Error> {
    match store.create(path, bytes(root, path, files)?).await {
        Ok(()) | Err(store::Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn bytes(root: &str, path: &str, files: &[Entered]) -> Result<Bytes, store::Error> {
    let entry = |file: &Entered| Entry {
        url: format!("{root}{}", file.path),
        mandatory: true,
        meta: Meta {
            content_length: file.bytes,
        },
    };
    let manifest = Manifest {
        entries: files.iter().map(entry).collect(),
    };
    let bytes =
        serde_json::to_vec(&manifest).map_err(|e| store::Error::failed("write", path, e))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_of_each_file_that_it_must_be_there_and_how_large_it_is() {
        let file = Entered {
            path: "t/dt=2026-11-22/hr=20/a.parquet".to_owned(),
            bytes: 17,
        };
        let bytes = bytes("s3://bucket/lake/", "_loads/t/1.json", &[file]).unwrap();
        assert_eq!(
            bytes,
            r#"{"entries":[{"url":"s3://bucket/lake/t/dt=2026-11-22/hr=20/a.parquet","mandatory":true,"meta":{"content_length":17}}]}"#
        );
    }
}
