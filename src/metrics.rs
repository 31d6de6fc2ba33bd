//! Metrics of the process as a whole; gateway, journal and sink have their own.

use std::time::Duration;

use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Name, kind, labels and help of each metric.
pub(crate) const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        "headgate_build_info",
        "gauge",
        &["version"],
        "Always 1; the label is the running version.",
    ),
    (
        "headgate_schemas_loaded",
        "gauge",
        &[],
        "Event schemas in use, the built-in one included.",
    ),
    (
        "headgate_schemas_reloads_total",
        "counter",
        &["outcome"],
        "Reloads of the schemas: `loaded`, or `refused` where the old ones stayed.",
    ),
    (
        "headgate_sources_reloads_total",
        "counter",
        &["outcome"],
        "Reloads of the sources: `loaded`, or `refused` where the old ones stayed.",
    ),
    (
        "headgate_store_probe_seconds",
        "gauge",
        &[],
        "How long it took at the start to prove that the store creates exclusively; 0 where nothing is to be proved.",
    ),
];

/// The process's metrics; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    schemas: IntGauge,
    reloads: IntCounterVec,
    sources: IntCounterVec,
    probe: Gauge,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// One of them is registered already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let [build, schemas, reloads, sources, probe] = CATALOG else {
            return Err(prometheus::Error::Msg(
                "the catalogue has other metrics".to_owned(),
            ));
        };
        let build = IntGaugeVec::new(Opts::new(build.0, build.3), build.2)?;
        let schemas = IntGauge::new(schemas.0, schemas.3)?;
        let reloads = IntCounterVec::new(Opts::new(reloads.0, reloads.3), reloads.2)?;
        let sources = IntCounterVec::new(Opts::new(sources.0, sources.3), sources.2)?;
        let probe = Gauge::new(probe.0, probe.3)?;
        registry.register(Box::new(probe.clone()))?;
        registry.register(Box::new(build.clone()))?;
        registry.register(Box::new(schemas.clone()))?;
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(sources.clone()))?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        for outcome in ["loaded", "refused"] {
            reloads.with_label_values(&[outcome]).reset();
            sources.with_label_values(&[outcome]).reset();
        }
        Ok(Self {
            schemas,
            reloads,
            sources,
            probe,
        })
    }

    /// The store was tried out at the start.
    pub(crate) fn store_probed(&self, took: Duration) {
        self.probe.set(took.as_secs_f64());
    }

    /// The schemas at the start.
    pub(crate) fn schemas_loaded(&self, count: usize) {
        self.schemas.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A new set of schemas is in use.
    pub(crate) fn schemas_reloaded(&self, count: usize) {
        self.schemas_loaded(count);
        self.reloads.with_label_values(&["loaded"]).inc();
    }

    /// New sources are in use.
    pub(crate) fn sources_reloaded(&self) {
        self.sources.with_label_values(&["loaded"]).inc();
    }

    /// New sources were refused.
    pub(crate) fn sources_refused(&self) {
        self.sources.with_label_values(&["refused"]).inc();
    }

    /// A new set of schemas was refused.
    pub(crate) fn schemas_refused(&self) {
        self.reloads.with_label_values(&["refused"]).inc();
    }
}
