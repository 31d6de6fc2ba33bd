//! What there is to count, for machines and people.

/// Every metric: name, kind, labels, help. The metrics are built from this and `docs/metrics.md` is generated from it.
pub const CATALOG: &[(&str, &str, &[&str], &str)] = &[
    (
        "headgate_sink_lag_events",
        "gauge",
        &["stream", "partition"],
        "Records of the stream that have not landed yet.",
    ),
    (
        "headgate_sink_lag_seconds",
        "gauge",
        &["stream", "partition"],
        "Time since the oldest record that has not landed yet was appended; 0 when all have.",
    ),
    (
        "headgate_sink_gap_events_total",
        "counter",
        &["stream", "partition"],
        "Records that the stream's retention removed before they were read. They are lost: anything above 0 is.",
    ),
    (
        "headgate_sink_batches_total",
        "counter",
        &["cause"],
        "Batches cut, by cause: bytes, rows, age, drain.",
    ),
    (
        "headgate_sink_batch_rows",
        "histogram",
        &[],
        "Records in a batch.",
    ),
    (
        "headgate_sink_batch_bytes",
        "histogram",
        &[],
        "Bytes of records in a batch.",
    ),
    (
        "headgate_sink_filling_bytes",
        "gauge",
        &[],
        "Bytes of records read and not yet cut into a batch.",
    ),
    (
        "headgate_sink_landing_bytes",
        "gauge",
        &[],
        "Bytes of records in the batch that is landing.",
    ),
    (
        "headgate_sink_rows_total",
        "counter",
        &["table"],
        "Rows committed. A track call of an SDK that has a table of its own has one there and one in `tracks`; entities of Snowplow's events have one each.",
    ),
    (
        "headgate_sink_files_total",
        "counter",
        &["table"],
        "Data files committed.",
    ),
    (
        "headgate_sink_file_bytes",
        "histogram",
        &[],
        "Size of data files committed.",
    ),
    (
        "headgate_sink_table_received_timestamp_seconds",
        "gauge",
        &["table"],
        "Newest received time among the rows committed, as a Unix time: a table's freshness is now minus this.",
    ),
    (
        "headgate_sink_rest_values_total",
        "counter",
        &["table"],
        "Values that fit no column and landed in _rest.",
    ),
    (
        "headgate_sink_quarantined_rows_total",
        "counter",
        &["reason"],
        "Records that could not be decoded and landed in bad_events: malformed, envelope, unknown_schema, undecodable.",
    ),
    (
        "headgate_sink_encode_seconds",
        "histogram",
        &[],
        "Time to decode a batch's records and encode its files.",
    ),
    (
        "headgate_sink_commit_seconds",
        "histogram",
        &[],
        "Time from a batch's cut to its commit.",
    ),
    (
        "headgate_sink_commit_conflicts_total",
        "counter",
        &["outcome"],
        "Places in the commit log that another sink took: appended (behind it), lost (the batch was dropped and is \
         read again).",
    ),
    (
        "headgate_sink_store_errors_total",
        "counter",
        &[],
        "Operations on the store that failed and are tried again.",
    ),
    (
        "headgate_sink_swept_files_total",
        "counter",
        &[],
        "Files removed because no commit names them.",
    ),
    (
        "headgate_sink_duplicates_total",
        "counter",
        &["table"],
        "Events that came again within sink.dedup_window_ms and did not land again.",
    ),
    (
        "headgate_sink_dedup_events",
        "gauge",
        &["stream"],
        "Events that are remembered, to know them when they come again.",
    ),
    (
        "headgate_sink_dedup_bytes",
        "gauge",
        &["stream"],
        "Memory that remembering them takes.",
    ),
    (
        "headgate_sink_dedup_window_seconds",
        "gauge",
        &["stream"],
        "Time from the oldest event that is remembered to the newest: less than sink.dedup_window_ms on a stream that is \
         older when sink.dedup_events_max bounds it.",
    ),
    (
        "headgate_sink_dedup_unread_total",
        "counter",
        &[],
        "Objects with ids of landed events that were missing or broken: should those events come again, they land again.",
    ),
];
