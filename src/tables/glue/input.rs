//! What Glue is told of a table and its partitions, as the JSON of its API
//! (<https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html>).

use headgate_sink::table::Table;
use headgate_sink::table::external::{PARTITION_KEYS, Partition, Place, columns, hive_type};
use serde_json::{Map, Value, json};

/// The parameter by which a table or partition is known as Headgate's, and by which columns.
pub(super) const FINGERPRINT: &str = "headgate.fingerprint";

/// What somebody may have said of a table beside us, and what an update would else take away.
const CARRIED: [&str; 3] = ["Description", "Owner", "Retention"];

/// How a table that the catalogue has stands to one of the schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Headgate did not make it.
    Foreign,
    /// It has all that we have, and more columns behind.
    Newer,
    /// It has what we have.
    Same,
    /// It has other columns or another folder.
    Older,
}

/// Compares the catalogue's table with ours.
pub(super) fn kept(table: &Table, place: &Place<'_>, known: &Value) -> Kept {
    if known["Parameters"][FINGERPRINT].is_null() {
        return Kept::Foreign;
    }
    let theirs = &known["StorageDescriptor"];
    let pairs = |columns: &Value| -> Vec<(Value, Value)> {
        let columns = columns.as_array().into_iter().flatten();
        columns
            .map(|column| (column["Name"].clone(), column["Type"].clone()))
            .collect()
    };
    let (theirs_columns, ours) = (pairs(&theirs["Columns"]), pairs(&column_list(table)));
    let same_place = theirs["Location"].as_str() == Some(&*place.folder(table));
    match same_place && theirs_columns.starts_with(&ours) {
        true if theirs_columns.len() > ours.len() => Kept::Newer,
        true if known["Parameters"][FINGERPRINT] == table.fingerprint() => Kept::Same,
        _ => Kept::Older,
    }
}

/// A table's `TableInput`; over one that is there it keeps what others said of it.
pub(super) fn table(table: &Table, place: &Place<'_>, known: Option<&Value>) -> Value {
    let mut input = Map::new();
    let mut parameters = Map::new();
    if let Some(known) = known {
        let carried = CARRIED.iter().filter(|name| !known[**name].is_null());
        input.extend(carried.map(|name| ((*name).to_owned(), known[*name].clone())));
        parameters = known["Parameters"].as_object().cloned().unwrap_or_default();
    }
    for (name, value) in [
        ("EXTERNAL", "TRUE"),
        ("classification", "parquet"),
        (FINGERPRINT, table.fingerprint()),
    ] {
        parameters.insert(name.to_owned(), value.into());
    }
    let [dt, hr] = PARTITION_KEYS;
    for (name, value) in [
        ("Name", table.name().into()),
        ("TableType", "EXTERNAL_TABLE".into()),
        ("Parameters", parameters.into()),
        (
            "PartitionKeys",
            json!([{ "Name": dt, "Type": "date" }, { "Name": hr, "Type": "string" }]),
        ),
        ("StorageDescriptor", storage(table, &place.folder(table))),
    ] {
        input.insert(name.to_owned(), value);
    }
    input.into()
}

/// A partition's `PartitionInput`. It has the table's columns: older files lack the last ones, which are null there.
pub(super) fn partition(table: &Table, place: &Place<'_>, partition: &Partition) -> Value {
    let folder = format!("{}{}", place.folder(table), partition.folder());
    json!({
        "Values": [partition.dt, partition.hr],
        "Parameters": { FINGERPRINT: table.fingerprint() },
        "StorageDescriptor": storage(table, &folder),
    })
}

fn storage(table: &Table, folder: &str) -> Value {
    let parquet = "org.apache.hadoop.hive.ql.io.parquet";
    json!({
        "Columns": column_list(table),
        "Location": folder,
        "InputFormat": format!("{parquet}.MapredParquetInputFormat"),
        "OutputFormat": format!("{parquet}.MapredParquetOutputFormat"),
        "SerdeInfo": {
            "SerializationLibrary": format!("{parquet}.serde.ParquetHiveSerDe"),
            "Parameters": { "serialization.format": "1" },
        },
    })
}

fn column_list(table: &Table) -> Value {
    columns(table)
        .map(|column| json!({ "Name": column.name, "Type": hive_type(column.kind) }))
        .collect()
}
