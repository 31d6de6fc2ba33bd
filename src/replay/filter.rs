//! Which bad events a replay looks at.

use headgate_sink::commit::DataFile;

use super::arguments::Arguments;
use super::rows::Row;

/// Every condition must hold; an empty one does.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(super) types: Vec<String>,
    pub(super) reasons: Vec<String>,
    pub(super) sources: Vec<String>,
    pub(super) since_micros: Option<i64>,
    pub(super) until_micros: Option<i64>,
}

impl Filter {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            types: arguments.types.clone(),
            reasons: arguments.reasons.clone(),
            sources: arguments.sources.clone(),
            since_micros: arguments.since,
            until_micros: arguments.until,
        }
    }

    /// Whether the row is one of those.
    pub(crate) fn takes(&self, row: &Row<'_>) -> bool {
        let one_of = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|w| w == found))
        };
        one_of(&self.types, row.kind)
            && one_of(&self.reasons, Some(row.reason))
            && one_of(&self.sources, Some(row.origin.unwrap_or(row.source)))
            && self
                .since_micros
                .is_none_or(|since| row.received_micros >= since)
            && self
                .until_micros
                .is_none_or(|until| row.received_micros < until)
    }

    /// Whether some row of the file may be, by its times.
    pub(crate) fn may_be_in(&self, file: &DataFile) -> bool {
        let ends_before = |since: i64| file.received_max_ms < since.div_euclid(1_000);
        let begins_after = |until: i64| file.received_min_ms > until.div_euclid(1_000);
        !self.since_micros.is_some_and(ends_before) && !self.until_micros.is_some_and(begins_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn row() -> Row<'static> {
        Row {
            bad_event: "b",
            source: "headgate/gateway",
            received_micros: 10 * SECOND,
            reason: "invalid",
            kind: Some("thing"),
            id: Some("i"),
            origin: Some("/app"),
            payload: b"{}".as_slice().into(),
            form: None,
            protected: Vec::new(),
            sent_micros: None,
        }
    }

    #[test]
    fn each_condition_leaves_out_what_breaks_it() {
        let text = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        assert!(Filter::default().takes(&row()));
        let matching = Filter {
            types: text(&["other", "thing"]),
            reasons: text(&["invalid"]),
            sources: text(&["/app"]),
            since_micros: Some(10 * SECOND),
            until_micros: Some(10 * SECOND + 1),
        };
        assert!(matching.takes(&row()));
        for breaking in [
            Filter {
                types: text(&["other"]),
                ..Filter::default()
            },
            Filter {
                reasons: text(&["envelope"]),
                ..Filter::default()
            },
            Filter {
                sources: text(&["headgate/gateway"]),
                ..Filter::default()
            },
            Filter {
                since_micros: Some(10 * SECOND + 1),
                ..Filter::default()
            },
            Filter {
                until_micros: Some(10 * SECOND),
                ..Filter::default()
            },
        ] {
            assert!(!breaking.takes(&row()), "{breaking:?}");
        }
        let untyped = Row {
            kind: None,
            ..row()
        };
        assert!(Filter::default().takes(&untyped) && !matching.takes(&untyped));
    }

    #[test]
    fn files_out_of_the_time_are_not_opened() {
        let file = |from_ms, to_ms| DataFile {
            path: String::new(),
            bytes: 0,
            rows: 0,
            crc32c: 0,
            fingerprint: String::new(),
            received_min_ms: from_ms,
            received_max_ms: to_ms,
            text_bytes_max: None,
            committed_ms: 0,
        };
        let filter = Filter {
            since_micros: Some(10 * SECOND),
            until_micros: Some(20 * SECOND),
            ..Filter::default()
        };
        assert!(!filter.may_be_in(&file(0, 9_999)));
        assert!(filter.may_be_in(&file(0, 10_000)));
        assert!(filter.may_be_in(&file(19_999, 30_000)));
        assert!(!filter.may_be_in(&file(20_001, 30_000)));
    }
}
