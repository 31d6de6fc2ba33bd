//! The tables of these benchmarks.

use super::{Landed, Sized, Started, SteadySample, Taken, Written};
use crate::bench::Row;
use crate::bench::table::mib;

impl Row for Taken {
    const HEAD: &'static [&'static str] = &[
        "events a request",
        "gateway, CPU us an event",
        "events/s",
        "half load, events/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "beside it, CPU us an event",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.batch_events.to_string(),
            format!("{:.2}", self.us_per_event),
            format!("{:.0}", self.events_per_s),
            self.half_events_per_s.to_string(),
            format!("{:.1}", self.p50_ms),
            format!("{:.1}", self.p99_ms),
            format!("{:.1}", self.max_ms),
            figures(&self.beside_us),
        ]
    }
}

impl Row for Written {
    const HEAD: &'static [&'static str] = &[
        "what",
        "CPU us an event",
        "events/s",
        "events a record",
        "KiB a record",
        "records a request",
    ];

    fn cells(&self) -> Vec<String> {
        let fill = |figure: fn(&super::Fill) -> f64| {
            let fill = self.fill.as_ref();
            fill.map_or(String::new(), |fill| format!("{:.1}", figure(fill)))
        };
        let per_s = self.events_per_s;
        vec![
            self.what.clone(),
            format!("{:.2}", self.us_per_event),
            per_s.map_or(String::new(), |per_s| format!("{per_s:.0}")),
            fill(|fill| fill.events_per_record),
            fill(|fill| fill.record_bytes / 1_024.0),
            fill(|fill| fill.records_per_request),
        ]
    }
}

impl Row for Landed {
    const HEAD: &'static [&'static str] = &[
        "sinks",
        "share of a processor, %",
        "events",
        "CPU us an event",
        "events/s",
        "Parquet, bytes an event",
        "beside it, CPU us an event",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.sinks.to_string(),
            self.share_percent.to_string(),
            self.events.to_string(),
            format!("{:.2}", self.us_per_event),
            format!("{:.0}", self.events_per_s),
            format!("{:.0}", self.bytes_per_event),
            figures(&self.beside_us),
        ]
    }
}

impl Row for SteadySample {
    const HEAD: &'static [&'static str] = &[
        "seconds",
        "events",
        "landed",
        "gateway, RSS MiB",
        "sink, RSS MiB",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{:.0}", self.seconds),
            self.events.to_string(),
            self.landed.to_string(),
            mib(self.gateway_bytes),
            mib(self.sink_bytes),
        ]
    }
}

impl Row for Started {
    const HEAD: &'static [&'static str] = &[
        "commits in the log",
        "probe of the store, s",
        "ready, s",
        "first batch landed, s",
        "the same without the probe, s",
        "requests to the store",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.commits.to_string(),
            format!("{:.2}", self.probe_s),
            format!("{:.2}", self.ready_s),
            format!("{:.2}", self.landed_s),
            format!("{:.2}", self.landed_without_probe_s),
            format!("{:.0}", self.requests),
        ]
    }
}

impl Row for Sized {
    const HEAD: &'static [&'static str] =
        &["sinks", "commits", "files", "put", "get", "head", "list"];

    fn cells(&self) -> Vec<String> {
        let count = |figure: f64| format!("{figure:.0}");
        vec![
            self.sinks.to_string(),
            count(self.commits),
            count(self.files),
            count(self.put),
            count(self.get),
            count(self.head),
            count(self.list),
        ]
    }
}

fn figures(beside: &std::collections::BTreeMap<String, f64>) -> String {
    let each = beside.iter().map(|(name, us)| format!("{name} {us:.2}"));
    each.collect::<Vec<String>>().join(", ")
}
