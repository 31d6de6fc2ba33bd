//! The suite that every stream passes, written through a spill.

use futures_util::future::BoxFuture;

use super::*;
use crate::{log::Reader, testing::conformance};

/// The suite's backend: written through a spill, read from the log behind it.
struct Backend {
    site: Site,
    writer: Arc<dyn Writer>,
}

impl Backend {
    async fn make(prepare: impl FnOnce(&Memory)) -> Box<dyn conformance::Backend> {
        let site = Site::new();
        site.memory.bound_record(Some(200_000));
        prepare(&site.memory);
        let writer = Arc::new(site.open().await.spill);
        Box::new(Self { site, writer })
    }
}

impl conformance::Backend for Backend {
    fn topic(&self) -> Topic {
        topic()
    }

    fn writer(&self) -> Arc<dyn Writer> {
        Arc::clone(&self.writer)
    }

    fn reader(&self, group: &str) -> BoxFuture<'_, Box<dyn Reader>> {
        let reader = self.site.memory.reader(&topic(), group);
        Box::pin(async move { reader })
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(200_000)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_in_front_of_a_stream_that_works_conforms() {
    conformance::run(|| Backend::make(|_| {})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_in_front_of_a_stream_that_refuses_every_other_append_conforms() {
    conformance::run(|| Backend::make(|memory| memory.refuse_every_other(Some(down())))).await;
}
