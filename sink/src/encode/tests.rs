use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    basic::{self, ZstdLevel},
    file::{
        metadata::ColumnChunkMetaData,
        reader::{FileReader, SerializedFileReader},
        serialized_reader::ReadOptionsBuilder,
    },
};

use super::*;
use crate::{
    columns::Rows,
    commit::TEXT_WITH_NUL,
    config::Compression,
    table::{at, tests::registry},
};

fn table() -> Table {
    let schema = r#"{"type": "object", "properties": {"n": {"type": "integer"}, "kind": {"enum": ["a", "b"]},
        "at": {"type": "string", "format": "date-time"}}}"#;
    Table::of(
        registry(&[("thing/1.json", schema)])
            .family("thing_1")
            .unwrap(),
    )
}

fn kind_of(n: u32) -> Option<&'static str> {
    [Some("a"), None, Some("b")][n as usize % 3]
}

fn record(n: u32) -> String {
    let kind = kind_of(n).map_or("null".to_owned(), |kind| format!("\"{kind}\""));
    format!(
        r#"{{"specversion":"1.0","id":"e{n}","source":"web","type":"thing","dataschema":"thing/1",
        "receivedtime":"2026-11-22T20:00:{:02}Z","data":{{"n":{n},"kind":{kind},"at":"2026-11-22T20:00:00Z"}}}}"#,
        n % 60
    )
}

fn encode(config: &Config, rows: std::ops::Range<u32>) -> Vec<Encoded> {
    encode_records(config, rows.map(record).collect())
}

fn encode_records(config: &Config, records: Vec<String>) -> Vec<Encoded> {
    let table = table();
    let mut encoder = Encoder::new(config, &table, records.len() as u64).unwrap();
    let mut decoder = Rows::new(&table, 20);
    for record in records {
        let received = decoder.append(&record, 0, encoder.group()).unwrap();
        encoder.appended(received, record.len()).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn a_file_has_the_codec_the_types_and_a_bloom_filter_on_the_event_id_alone() {
    for (compression, codec) in [
        (Compression::Snappy, basic::Compression::SNAPPY),
        (
            Compression::Zstd,
            basic::Compression::ZSTD(ZstdLevel::default()),
        ),
    ] {
        let config = Config {
            compression,
            ..Config::default()
        };
        let files = encode(&config, 0..1_000);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].rows, 1_000);
        assert_eq!(files[0].received_ms.1 - files[0].received_ms.0, 59_000);
        let options = ReadOptionsBuilder::new().build();
        let file = SerializedFileReader::new_with_options(files[0].bytes.clone(), options).unwrap();
        let group = file.metadata().row_group(0);
        let with_bloom: Vec<bool> = group
            .columns()
            .iter()
            .map(|c| c.bloom_filter_offset().is_some())
            .collect();
        assert!(with_bloom[at::EVENT_ID] && !with_bloom[1..].contains(&true));
        assert!(
            group
                .columns()
                .iter()
                .all(|column| column.compression() == codec)
        );
    }
}

/// The least and the greatest value.
type Bounds = Option<(Vec<u8>, Vec<u8>)>;

/// A column's bounds, its nulls, and whether there is a dictionary.
fn described(file: &Encoded, name: &str) -> (Bounds, Option<u64>, bool) {
    let file = SerializedFileReader::new(file.bytes.clone()).unwrap();
    let group = file.metadata().row_group(0);
    let is_it = |column: &&ColumnChunkMetaData| column.column_path().string() == name;
    let column = group.columns().iter().find(is_it).unwrap();
    let statistics = column.statistics();
    let bounds = statistics.and_then(|s| Some((s.min_bytes_opt()?, s.max_bytes_opt()?)));
    (
        bounds.map(|(least, most)| (least.to_vec(), most.to_vec())),
        statistics.and_then(|s| s.null_count_opt()),
        column.dictionary_page_offset().is_some(),
    )
}

#[test]
fn every_column_has_statistics_but_texts_that_hardly_repeat() {
    let files = encode(&Config::default(), 0..6_000);
    let micros = |seconds: i64| (1_795_377_600 + seconds) * 1_000_000;
    let bytes = |value: i64| value.to_le_bytes().to_vec();
    for (name, bounds, nulls, dictionary) in [
        ("event_id", None, None, false),
        (
            "event_type",
            Some((b"thing".to_vec(), b"thing".to_vec())),
            Some(0),
            true,
        ),
        (
            "received_at",
            Some((bytes(micros(0)), bytes(micros(59)))),
            Some(0),
            true,
        ),
        ("user_id", None, Some(6_000), true),
        ("n", Some((bytes(0), bytes(5_999))), Some(0), false),
        (
            "kind",
            Some((b"a".to_vec(), b"b".to_vec())),
            Some(2_000),
            true,
        ),
        (
            "at",
            Some((bytes(micros(0)), bytes(micros(0)))),
            Some(0),
            true,
        ),
    ] {
        assert_eq!(
            described(&files[0], name),
            (bounds, nulls, dictionary),
            "{name}"
        );
    }
}

#[test]
fn what_is_written_reads_back_over_pages_and_row_groups() {
    for row_group_bytes_max in [1 << 14, 1 << 30] {
        let config = Config {
            row_group_bytes_max,
            ..Config::default()
        };
        let files = encode(&config, 0..45_000);
        let reader = ParquetRecordBatchReaderBuilder::try_new(files[0].bytes.clone()).unwrap();
        assert_eq!(
            reader.metadata().num_row_groups() > 1,
            row_group_bytes_max == 1 << 14
        );
        let mut row = 0_u32;
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let ids = batch.column_by_name("event_id").unwrap().as_string::<i32>();
            let kinds = batch.column_by_name("kind").unwrap().as_string::<i32>();
            let numbers = batch.column_by_name("n").unwrap();
            for (index, number) in numbers.as_primitive::<Int64Type>().iter().enumerate() {
                assert_eq!(ids.value(index), format!("e{row}"));
                assert_eq!(number, Some(row.into()));
                let kind = kinds.is_valid(index).then(|| kinds.value(index));
                assert_eq!(kind, kind_of(row));
                row += 1;
            }
        }
        assert_eq!(row, 45_000);
    }
}

#[test]
fn arrow_reads_back_the_table_s_own_schema() {
    let files = encode(&Config::default(), 0..10);
    let reader = ParquetRecordBatchReaderBuilder::try_new(files[0].bytes.clone()).unwrap();
    assert_eq!(reader.schema(), &table().arrow_schema());
}

#[test]
fn a_file_ends_at_its_limit_and_another_begins() {
    let config = Config {
        file_bytes_max: 1 << 16,
        ..Config::default()
    };
    let files = encode(&config, 0..20_000);
    assert!(files.len() > 1);
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 20_000);
    assert!(files.iter().all(|file| file.bytes.len() < 1 << 18));
}

#[test]
fn no_rows_make_no_file() {
    assert!(encode(&Config::default(), 0..0).is_empty());
}

#[test]
fn a_file_tells_of_its_longest_text_and_of_nul_characters_wherever_they_are() {
    let told = |place: u32, from: &str, to: &str| {
        let odd = record(place).replace(from, to);
        let records = (0..2_000).map(|n| if n == place { odd.clone() } else { record(n) });
        encode_records(&Config::default(), records.collect())[0].text_bytes_max
    };
    assert_eq!(told(1, "", ""), "thing".len() as u64);
    for place in [0, 1_999] {
        // In a column with a dictionary and in one without.
        let (source, id) = (r#""source":"web""#, format!(r#""id":"e{place}""#));
        assert_eq!(told(place, source, r#""source":"w\u0000b""#), TEXT_WITH_NUL);
        assert_eq!(told(place, &id, r#""id":"e\u0000""#), TEXT_WITH_NUL);
    }
}
