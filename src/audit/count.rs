//! What only the landed files tell: how many different events they hold, and which events were rejected.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result};
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use futures_util::TryStreamExt;
use headgate_schemas::event::BAD_EVENTS;
use headgate_sink::QUARANTINE_SOURCE;
use headgate_sink::table::ENTITY_INDEX;

use super::hours::Counted;
use crate::query::Engine;

const HOUR_SECONDS: i64 = 3_600;

/// The hour of a row, since the epoch.
const HOUR: &str = "CAST(received_at AS BIGINT) / 3600000000";

/// Events that were rejected alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) hour: i64,
    pub(crate) kind: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) reason: String,
    /// They were accepted, and a sink could not decode them.
    pub(crate) by_sink: bool,
    pub(crate) events: u64,
}

/// The rejected events of these hours.
///
/// # Errors
/// The landed files cannot be read.
pub(crate) async fn rejected(engine: &Engine, hours: &Range<i64>) -> Result<Vec<Rejected>> {
    let sql = format!(
        "SELECT {HOUR} AS hour, rejected_type, rejected_source, reason, source = '{QUARANTINE_SOURCE}' AS by_sink, \
         COUNT(*) AS events FROM {BAD_EVENTS} WHERE {} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
        within(hours, 0)
    );
    let mut rejected = Vec::new();
    for batch in run(engine, &sql).await? {
        let (hour, events) = (numbers(&batch, 0)?, numbers(&batch, 5)?);
        let (kind, source, reason) = (texts(&batch, 1)?, texts(&batch, 2)?, texts(&batch, 3)?);
        let by_sink = texts(&batch, 4)?;
        for row in 0..batch.num_rows() {
            rejected.push(Rejected {
                hour: hour[row],
                kind: kind[row].clone(),
                source: source[row].clone(),
                reason: reason[row].clone().unwrap_or_default(),
                by_sink: by_sink[row].as_deref() == Some("true"),
                events: u64::try_from(events[row]).unwrap_or(0),
            });
        }
    }
    Ok(rejected)
}

/// Counts the events of a table in these hours, and looks for each of them in the hours around, as far as the warehouse
/// takes rows of one event for one.
///
/// # Errors
/// The landed files cannot be read, or need more memory than `query.memory_bytes_max`.
pub(crate) async fn events(
    engine: &Engine,
    table: &str,
    hours: &[i64],
    dedup_window_ms: u64,
) -> Result<BTreeMap<i64, Counted>> {
    let (Some(first), Some(last)) = (hours.iter().min(), hours.iter().max()) else {
        return Ok(BTreeMap::new());
    };
    let event = event_of(engine, table).await?;
    let window_s = i64::try_from(dedup_window_ms.div_ceil(1_000)).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT hour, CAST(SUM(copies) AS BIGINT), COUNT(*), CAST(SUM(CASE WHEN hours > 1 THEN 1 ELSE 0 END) AS BIGINT) \
         FROM (SELECT hour, copies, COUNT(*) OVER (PARTITION BY event) AS hours FROM (SELECT {event} AS event, {HOUR} AS hour, \
         COUNT(*) AS copies FROM \"{table}\" WHERE {} GROUP BY 1, 2)) WHERE hour BETWEEN {first} AND {last} GROUP BY hour",
        within(&(*first..last + 1), window_s)
    );
    let mut counted = BTreeMap::new();
    for batch in run(engine, &sql).await? {
        let (hour, rows) = (numbers(&batch, 0)?, numbers(&batch, 1)?);
        let (events, elsewhere) = (numbers(&batch, 2)?, numbers(&batch, 3)?);
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        for row in 0..batch.num_rows() {
            let of_hour = Counted {
                rows: count(rows[row]),
                events: count(events[row]),
                elsewhere: count(elsewhere[row]),
                once_an_hour: window_s >= HOUR_SECONDS,
            };
            counted.insert(hour[row], of_hour);
        }
    }
    // Files that have no row of the hour: nothing is to be in the warehouse.
    let absent = |hour: &i64| (*hour, Counted::default());
    let mut all: BTreeMap<i64, Counted> = hours.iter().map(absent).collect();
    counted.retain(|hour, _| all.contains_key(hour));
    all.extend(counted);
    Ok(all)
}

/// What tells the rows of different events apart: of entities, an event has several rows.
async fn event_of(engine: &Engine, table: &str) -> Result<&'static str> {
    let columns = engine.columns(table).await?;
    Ok(match columns.field_with_name(ENTITY_INDEX) {
        Ok(_) => "concat(entity_index, ' ', event_id)",
        Err(_) => "event_id",
    })
}

/// The condition that a row is of these hours, or of so many seconds around them.
fn within(hours: &Range<i64>, around_s: i64) -> String {
    let instant = |second: i64| {
        let second = second.clamp(0, i64::from(u32::MAX) * 2);
        jiff::Timestamp::from_second(second).unwrap_or_default()
    };
    let from = (hours.start * HOUR_SECONDS).saturating_sub(around_s);
    let to = (hours.end * HOUR_SECONDS).saturating_add(around_s);
    format!(
        "received_at >= '{}' AND received_at < '{}'",
        instant(from),
        instant(to)
    )
}

async fn run(engine: &Engine, sql: &str) -> Result<Vec<RecordBatch>> {
    let statement = Engine::parse(sql)?.pop().context("no statement")?;
    let rows = engine.run(statement).await?;
    Ok(rows.try_collect().await?)
}

fn numbers(batch: &RecordBatch, column: usize) -> Result<Vec<i64>> {
    let values = cast(batch.column(column), &DataType::Int64)?;
    Ok(values.as_primitive::<Int64Type>().values().to_vec())
}

fn texts(batch: &RecordBatch, column: usize) -> Result<Vec<Option<String>>> {
    let values = cast(batch.column(column), &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    Ok(values.iter().map(|text| text.map(str::to_owned)).collect())
}
