use headgate_schemas::registry::Registry;
use serde_json::json;

use super::input::table as input;
use super::*;

const PLACE: Place<'static> = Place {
    database: "headgate",
    root: "s3://lake/prod",
};

/// The table of `visit/1.json` and `visit/1.1.json`, whose properties these are.
fn visits(minors: &[&str]) -> Table {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("visit");
    std::fs::create_dir(&folder).expect("a directory");
    for (minor, properties) in minors.iter().enumerate() {
        let file = match minor {
            0 => "1.json".to_owned(),
            minor => format!("1.{minor}.json"),
        };
        let text = format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
        std::fs::write(folder.join(file), text).expect("a file");
    }
    let registry = Registry::load(dir.path()).expect("valid");
    Table::of(registry.family("visit_1").expect("it is there"))
}

const FIRST: &str = r#""page":{"type":"string"},"tags":{"type":"array"}"#;
const SECOND: &str =
    r#""page":{"type":"string"},"tags":{"type":"array"},"count":{"type":"integer"}"#;

#[test]
fn a_table_is_told_with_its_columns_folder_and_partitions() {
    let table = visits(&[FIRST]);
    let told = input(&table, &PLACE, None);
    assert_eq!(told["Name"], "visit_1");
    assert_eq!(told["TableType"], "EXTERNAL_TABLE");
    assert_eq!(told["Parameters"][FINGERPRINT], table.fingerprint());
    let keys = json!([{ "Name": "dt", "Type": "date" }, { "Name": "hr", "Type": "string" }]);
    assert_eq!(told["PartitionKeys"], keys);
    let storage = &told["StorageDescriptor"];
    assert_eq!(storage["Location"], "s3://lake/prod/visit_1/");
    let columns = storage["Columns"].as_array().expect("columns");
    assert_eq!(
        columns[8],
        json!({ "Name": "received_at", "Type": "timestamp" })
    );
    assert_eq!(columns[11], json!({ "Name": "tags", "Type": "string" }));
    let one = Partition {
        dt: "2026-11-22".to_owned(),
        hr: "07".to_owned(),
    };
    let told = input::partition(&table, &PLACE, &one);
    assert_eq!(told["Values"], json!(["2026-11-22", "07"]));
    let folder = "s3://lake/prod/visit_1/dt=2026-11-22/hr=07/";
    assert_eq!(told["StorageDescriptor"]["Location"], folder);
}

#[test]
fn what_others_said_of_a_table_stays() {
    let mut known = input(&visits(&[FIRST]), &PLACE, None);
    known["Description"] = json!("visits of pages");
    known["CreateTime"] = json!(1);
    known["Parameters"]["team"] = json!("web");
    let told = input(&visits(&[FIRST, SECOND]), &PLACE, Some(&known));
    assert_eq!(told["Description"], "visits of pages");
    assert_eq!(told["Parameters"]["team"], "web");
    // An input with it is refused.
    assert!(told["CreateTime"].is_null());
    let columns = told["StorageDescriptor"]["Columns"].as_array();
    assert_eq!(columns.map(Vec::len), Some(13));
}

#[test]
fn a_known_table_is_foreign_newer_same_or_older() {
    let (first, second) = (visits(&[FIRST]), visits(&[FIRST, SECOND]));
    let told = |table| input(table, &PLACE, None);
    let kept = |table, known: &Value| input::kept(table, &PLACE, known);
    assert_eq!(kept(&first, &told(&first)), Kept::Same);
    assert_eq!(kept(&second, &told(&first)), Kept::Older);
    assert_eq!(kept(&first, &told(&second)), Kept::Newer);
    let mut moved = told(&first);
    moved["StorageDescriptor"]["Location"] = json!("s3://elsewhere/visit_1/");
    assert_eq!(kept(&first, &moved), Kept::Older);
    let mut foreign = told(&first);
    foreign["Parameters"] = json!({ "EXTERNAL": "TRUE" });
    assert_eq!(kept(&first, &foreign), Kept::Foreign);
}

#[test]
fn partitions_are_added_when_missing_and_updated_when_stale() {
    let table = visits(&[FIRST]);
    let hour = |hr: &str| Partition {
        dt: "2026-11-22".to_owned(),
        hr: hr.to_owned(),
    };
    let landed = [hour("01"), hour("02"), hour("03"), hour("04")];
    let known = BTreeMap::from([
        (hour("00"), None),
        (hour("02"), Some(table.fingerprint().to_owned())),
        (hour("03"), Some("another".to_owned())),
        (hour("04"), None),
    ]);
    let (missing, stale) = differing(&table, &landed, &known);
    assert_eq!(missing, [&landed[0]]);
    assert_eq!(stale, [&landed[2], &landed[3]]);
}
