//! The calls of Glue's API that a run needs (<https://docs.aws.amazon.com/glue/latest/webapi/API_Operations.html>).

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use headgate_sink::table::external::Partition;
use serde_json::{Value, json};

use super::client::{Client, Failed};
use super::input::FINGERPRINT;

const NOT_FOUND: &str = "EntityNotFoundException";
const EXISTS: &str = "AlreadyExistsException";

/// Makes the database where it is not there. Who may not make one needs no permission to where it is.
pub(super) async fn make_database(client: &Client, name: &str) -> Result<()> {
    match client.call("GetDatabase", &json!({ "Name": name })).await {
        Err(Failed::Refused { code, .. }) if code == NOT_FOUND => {}
        other => return Ok(other.map(drop)?),
    }
    let input = json!({ "DatabaseInput": { "Name": name } });
    match client.call("CreateDatabase", &input).await {
        Err(Failed::Refused { code, .. }) if code == EXISTS => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// A table as the catalogue has it, where it has it.
pub(super) async fn table(client: &Client, database: &str, name: &str) -> Result<Option<Value>> {
    let asked = json!({ "DatabaseName": database, "Name": name });
    match client.call("GetTable", &asked).await {
        Err(Failed::Refused { code, .. }) if code == NOT_FOUND => Ok(None),
        other => Ok(Some(other?["Table"].take())),
    }
}

pub(super) async fn create_table(client: &Client, database: &str, input: Value) -> Result<()> {
    let input = json!({ "DatabaseName": database, "TableInput": input });
    Ok(client.call("CreateTable", &input).await.map(drop)?)
}

pub(super) async fn update_table(client: &Client, database: &str, input: Value) -> Result<()> {
    let input = json!({ "DatabaseName": database, "TableInput": input, "SkipArchive": true });
    Ok(client.call("UpdateTable", &input).await.map(drop)?)
}

/// Every partition of a table with the fingerprint of its columns, where it has one.
pub(super) async fn partitions(
    client: &Client,
    database: &str,
    table: &str,
) -> Result<BTreeMap<Partition, Option<String>>> {
    let mut found = BTreeMap::new();
    let mut token = Value::Null;
    loop {
        let mut asked = json!({
            "DatabaseName": database, "TableName": table, "ExcludeColumnSchema": true
        });
        if !token.is_null() {
            asked["NextToken"] = token.clone();
        }
        let mut page = client.call("GetPartitions", &asked).await?;
        for partition in page["Partitions"].as_array().into_iter().flatten() {
            if let [Value::String(dt), Value::String(hr)] = partition["Values"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
            {
                let fingerprint = partition["Parameters"][FINGERPRINT].as_str();
                let (dt, hr) = (dt.clone(), hr.clone());
                found.insert(Partition { dt, hr }, fingerprint.map(str::to_owned));
            }
        }
        let next = page["NextToken"].take();
        if next.as_str().is_none_or(str::is_empty) {
            return Ok(found);
        }
        if next == token {
            bail!("Glue gave the same page of partitions twice");
        }
        token = next;
    }
}

/// Adds partitions; those that came to be meanwhile stay.
pub(super) async fn create_partitions(
    client: &Client,
    database: &str,
    table: &str,
    inputs: Vec<Value>,
) -> Result<()> {
    let input = json!({
        "DatabaseName": database, "TableName": table, "PartitionInputList": inputs
    });
    let reply = client.call("BatchCreatePartition", &input).await?;
    each_done(&reply, &[EXISTS])
}

/// Puts other columns in place of the partitions'.
pub(super) async fn update_partitions(
    client: &Client,
    database: &str,
    table: &str,
    inputs: Vec<Value>,
) -> Result<()> {
    let entry =
        |input: Value| json!({ "PartitionValueList": input["Values"], "PartitionInput": input });
    let entries: Vec<Value> = inputs.into_iter().map(entry).collect();
    let input = json!({ "DatabaseName": database, "TableName": table, "Entries": entries });
    let reply = client.call("BatchUpdatePartition", &input).await?;
    each_done(&reply, &[])
}

/// A batch tells of each partition's error in a reply that is itself no error.
fn each_done(reply: &Value, fine: &[&str]) -> Result<()> {
    for error in reply["Errors"].as_array().into_iter().flatten() {
        let detail = &error["ErrorDetail"];
        let code = detail["ErrorCode"].as_str().unwrap_or_default();
        if !fine.contains(&code) {
            let values = match &error["PartitionValues"] {
                Value::Null => &error["PartitionValueList"],
                values => values,
            };
            bail!("partition {values}: {code}: {}", detail["ErrorMessage"]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_is_refused_is_an_error_and_one_that_is_there_is_none() {
        let reply = |code: &str| {
            json!({ "Errors": [{
                "PartitionValues": ["2026-11-22", "20"],
                "ErrorDetail": { "ErrorCode": code, "ErrorMessage": "no" }
            }] })
        };
        assert!(each_done(&reply(EXISTS), &[EXISTS]).is_ok());
        assert!(each_done(&json!({}), &[]).is_ok());
        let error = each_done(&reply("InvalidInputException"), &[EXISTS]).unwrap_err();
        let expected = r#"partition ["2026-11-22","20"]: InvalidInputException: "no""#;
        assert_eq!(error.to_string(), expected);
    }
}
