//! Figures as the tables of `docs/performance.md`.

use super::{Cost, Grown, IdleCost, Sample};

const MIB: f64 = (1 << 20) as f64;

/// A result that stands in a table of its own.
pub trait Row {
    /// The columns' names.
    const HEAD: &'static [&'static str];

    /// One row's cells, in the columns' order.
    fn cells(&self) -> Vec<String>;
}

/// A Markdown table, aligned right.
pub fn markdown<R: Row>(rows: &[R]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = R::HEAD.iter().map(|name| (*name).to_owned()).collect();
    let rule: Vec<String> = R::HEAD.iter().map(|_| "---:".to_owned()).collect();
    let body: String = rows.iter().map(|row| line(&row.cells())).collect();
    format!("{}{}{body}", line(&head), line(&rule))
}

pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MIB)
}

impl Row for Cost {
    const HEAD: &'static [&'static str] = &[
        "events a request",
        "gateway, CPU us an event",
        "gateway, CPU us a request",
        "bare server, CPU us a request",
        "ratio",
        "gateway, events/s",
        "gateway, requests/s",
        "bare server, requests/s",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.batch_events.to_string(),
            format!("{:.2}", self.gateway_us_per_event),
            format!("{:.1}", self.gateway_us_per_request),
            format!("{:.1}", self.bare_us_per_request),
            format!("{:.2}", self.ratio),
            format!("{:.0}", self.gateway_events_per_s),
            format!("{:.0}", self.gateway_requests_per_s),
            format!("{:.0}", self.bare_requests_per_s),
        ]
    }
}

impl Row for Grown {
    const HEAD: &'static [&'static str] = &["schemas", "events/s", "CPU us an event", "RSS MiB"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.schemas.to_string(),
            format!("{:.0}", self.events_per_s),
            format!("{:.2}", self.us_per_event),
            mib(self.resident_bytes),
        ]
    }
}

impl Row for Sample {
    const HEAD: &'static [&'static str] = &["events", "RSS MiB"];

    fn cells(&self) -> Vec<String> {
        vec![self.events.to_string(), mib(self.resident_bytes)]
    }
}

impl Row for IdleCost {
    const HEAD: &'static [&'static str] = &[
        "idle connections",
        "RSS before, MiB",
        "RSS with them, MiB",
        "KiB a connection",
    ];

    fn cells(&self) -> Vec<String> {
        let each = self.after_bytes.saturating_sub(self.before_bytes) as f64
            / 1_024.0
            / f64::from(self.connections.max(1));
        vec![
            self.connections.to_string(),
            mib(self.before_bytes),
            mib(self.after_bytes),
            format!("{each:.1}"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_cell_for_every_column() {
        let rows = [Sample {
            events: 0,
            resident_bytes: 1 << 20,
        }];
        let expected = "| events | RSS MiB |\n| ---: | ---: |\n| 0 | 1.0 |\n";
        assert_eq!(markdown(&rows), expected);
        let idle = IdleCost {
            connections: 10,
            before_bytes: 0,
            after_bytes: 20 << 10,
        };
        assert_eq!(idle.cells().len(), IdleCost::HEAD.len());
        assert_eq!(idle.cells()[3], "2.0");
    }
}
