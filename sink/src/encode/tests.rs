use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    basic,
    file::{
        reader::{FileReader, SerializedFileReader},
        serialized_reader::ReadOptionsBuilder,
    },
};

use super::*;
use crate::{columns::Rows, table::tests::registry};

fn table() -> Table {
    let schema = r#"{"type": "object", "properties": {"n": {"type": "integer"}, "kind": {"enum": ["a", "b"]},
        "at": {"type": "string", "format": "date-time"}}}"#;
    Table::of(
        registry(&[("thing/1.json", schema)])
            .family("thing_1")
            .unwrap(),
    )
}

fn record(n: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e{n}","source":"web","type":"thing","dataschema":"thing/1",
        "receivedtime":"2026-11-22T20:00:{:02}Z","data":{{"n":{n},"kind":"a","at":"2026-11-22T20:00:00Z"}}}}"#,
        n % 60
    )
}

fn encode(config: &Config, rows: std::ops::Range<u32>) -> Vec<Encoded> {
    let table = table();
    let mut encoder = Encoder::new(config, &table, rows.len() as u64);
    let mut chunk = Rows::new(&table, 100, 20);
    for n in rows {
        chunk.append(&record(n), 0).unwrap();
        if n % 100 == 99 {
            encoder.write(chunk.finish().unwrap()).unwrap();
        }
    }
    encoder.write(chunk.finish().unwrap()).unwrap();
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
