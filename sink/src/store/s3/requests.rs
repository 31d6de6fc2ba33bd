//! Requests, counted by what they are charged as: who pays a store by the request wants to know.

use prometheus::{IntCounterVec, Opts, Registry};

/// Name, kind, labels and help of each metric.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[(
    "headgate_sink_store_requests_total",
    "counter",
    &["request"],
    "Requests sent to the S3 store, tries of one operation each by itself: put (whole objects, parts, and what begins \
     and ends an upload in parts), get, head, list, delete.",
)];

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Get,
    Head,
    List,
    Delete,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Put, Self::Get, Self::Head, Self::List, Self::Delete];

    fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

/// The counter; clones count together.
#[derive(Debug, Clone)]
pub(super) struct Requests(IntCounterVec);

impl Requests {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let (name, _, labels, help) = CATALOG[0];
        let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
        for kind in Kind::ALL {
            counter.with_label_values(&[kind.name()]).reset();
        }
        Ok(Self(counter))
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.0.clone()))
    }

    pub(super) fn sent(&self, kind: Kind) {
        self.0.with_label_values(&[kind.name()]).inc();
    }

    #[cfg(test)]
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.0.with_label_values(&[kind.name()]).get()
    }
}
