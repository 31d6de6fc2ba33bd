//! The warehouse that a run's sinks load: a schema of its own in the fake of Redshift, the fake's faults, and the proof that
//! what has landed is loaded, once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::kind::{By, Kind};
use crate::landed;
use crate::run::output;
use crate::servers::Servers;
use crate::site::Site;

/// How long after everything has landed it must be loaded.
const LOADING: Duration = Duration::from_secs(90);

/// The table that is not loaded.
const BAD_EVENTS: &str = "bad_events";

/// How often it is asked whether it is.
const ASK: Duration = Duration::from_millis(500);

/// What the warehouse of a seed came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loaded {
    /// Rows in all tables.
    pub(crate) rows: u64,
    /// Loads in the ledger.
    pub(crate) loads: u64,
}

/// The schema of a run.
fn schema(run: &str) -> String {
    run.replace('-', "_")
}

/// Makes the schema of a run.
pub(crate) async fn create(servers: &Servers, run: &str) -> Result<()> {
    rows(servers, &format!("CREATE SCHEMA {}", schema(run)))
        .await
        .map(drop)
}

/// Where the warehouse is: for connections of that kind.
pub(crate) fn address(servers: &Servers, by: By) -> Result<SocketAddr> {
    let address = match by {
        By::DataApi => servers
            .redshift("REDSHIFT_ENDPOINT")?
            .trim_start_matches("http://")
            .to_owned(),
        By::Postgres => format!("127.0.0.1:{}", servers.redshift("REDSHIFT_PORT")?),
    };
    Ok(address.parse()?)
}

/// The settings of a loader: as they would be, but less patient.
pub(crate) fn settings(
    servers: &Servers,
    run: &str,
    (by, address): (By, SocketAddr),
    dir: &Path,
) -> Result<String> {
    let of = |name| servers.redshift(name);
    let connection = match by {
        By::DataApi => format!(
            "connection = \"data_api\"\n\n[warehouse.data_api]\nworkgroup = {:?}\ndatabase = {:?}\nendpoint = \
             \"http://{address}\"\ncall_timeout_ms = 2000\n",
            of("REDSHIFT_WORKGROUP")?,
            of("REDSHIFT_DATABASE")?
        ),
        By::Postgres => {
            let password = dir.join("password");
            std::fs::write(&password, of("REDSHIFT_PASSWORD")?)?;
            format!(
                "connection = \"postgres\"\n\n[warehouse.postgres]\nhost = \"{}\"\nport = {}\ndatabase = {:?}\nuser = \
                 {:?}\npassword_file = {password:?}\ntls = \"off\"\nconnect_timeout_ms = 1000\n",
                address.ip(),
                address.port(),
                of("REDSHIFT_DATABASE")?,
                of("REDSHIFT_USER")?
            )
        }
    };
    Ok(format!(
        r#"
[warehouse]
kind = "redshift"
schema = "{}"
iam_role = "{}"
load_age_max_ms = 500
poll_ms = 200
statements_deadline_ms = 6000
retry_pause_max_ms = 1000
{connection}"#,
        schema(run),
        of("REDSHIFT_IAM_ROLE")?
    ))
}

/// Has the fake do what the fault says to the next statements or calls, so many times; returns the rule's number. It holds
/// until it has struck so often, also when the load is over: loads may come late.
pub(crate) async fn strike(servers: &Servers, by: By, kind: Kind, times: u64) -> Result<u64> {
    let (on, matches, does) = match (kind, by) {
        (Kind::WarehouseReplies, By::DataApi) => ("api", "ExecuteStatement", "drop_reply"),
        (Kind::WarehouseReplies, By::Postgres) => {
            ("statement", "^COMMIT", "kill_session_after_commit")
        }
        (Kind::WarehouseThrottles, _) => ("api", "Statement", "throttle"),
        (Kind::WarehouseSession, _) => ("statement", "^COPY", "kill_session"),
        (Kind::WarehouseConflicts, _) => {
            ("statement", "^INSERT INTO .*headgate_loads", "error_1023")
        }
        (kind, _) => bail!("{kind} is no fault of the fake"),
    };
    let rule = json!({"on": on, "match": matches, "do": does, "count": times});
    let added = ask(servers, "POST", &rule.to_string()).await?;
    added["id"].as_u64().context("a rule has a number")
}

/// How often each rule has struck, by its number.
pub(crate) async fn struck(servers: &Servers) -> Result<BTreeMap<u64, u64>> {
    let rules = ask(servers, "GET", "").await?;
    let rules = rules["rules"].as_array().context("the fake has rules")?;
    let fired = rules
        .iter()
        .filter_map(|rule| Some((rule["id"].as_u64()?, rule["fired"].as_u64()?)));
    Ok(fired.collect())
}

/// Ends all faults of the fake.
pub(crate) async fn heal(servers: &Servers) -> Result<()> {
    ask(servers, "DELETE", "").await.map(drop)
}

async fn ask(servers: &Servers, method: &str, body: &str) -> Result<Value> {
    let address = address(servers, By::DataApi)?;
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{method} /_fault HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: \
         close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    let (head, body) = reply
        .split_once("\r\n\r\n")
        .context("no reply of the fake")?;
    ensure!(
        head.starts_with("HTTP/1.1 200"),
        "the fake refuses {request}: {reply}"
    );
    Ok(serde_json::from_str(body)?)
}

/// Waits until all that has landed is loaded, and proves that it is there once and nothing else is.
pub(crate) async fn proof(site: &Site<'_>) -> Result<Loaded> {
    let deadline = Instant::now() + LOADING;
    loop {
        let mut status = site.client()?;
        status.args(["warehouse", "status", "--until", "2100-01-01", "--json"]);
        let (loaded, said) = output(status, site.dir.join("loaded")).await?;
        if loaded {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "not loaded after {LOADING:?}: {said}"
        );
        sleep(ASK).await;
    }
    let schema = schema(&site.run()?);
    let number = async |sql: &str| -> Result<u64> {
        let rows = rows(site.servers, sql).await?;
        let value = rows.first().and_then(|row| row.first()?.clone());
        value
            .with_context(|| format!("no number from {sql}"))?
            .parse()
            .context("a number")
    };
    let set_aside =
        format!("SELECT COUNT(*) FROM {schema}.headgate_loads WHERE kind = 'set_aside'");
    ensure!(
        number(&set_aside).await? == 0,
        "loads were set aside without a cause"
    );
    let mut loaded = Loaded::default();
    for table in landed::tables(site).await? {
        if table == BAD_EVENTS {
            continue;
        }
        let landed = landed::events(site, std::slice::from_ref(&table)).await?;
        let landed: BTreeSet<String> = landed.into_keys().collect();
        let sql = format!("SELECT event_id FROM {schema}.\"{table}\"");
        let rows = rows(site.servers, &sql).await?;
        let ids: BTreeSet<String> = rows.iter().filter_map(|row| row.first()?.clone()).collect();
        ensure!(
            ids.len() == rows.len(),
            "{table}: {} rows of {} events",
            rows.len(),
            ids.len()
        );
        ensure!(
            ids == landed,
            "{table}: {} events landed, {} loaded",
            landed.len(),
            ids.len()
        );
        let sql = format!(
            "SELECT SUM(rows_inserted) FROM {schema}.headgate_loads WHERE kind = 'load' AND table_name = '{table}'"
        );
        ensure!(
            number(&sql).await? == rows.len() as u64,
            "{table}: the ledger has another count"
        );
        loaded.rows += rows.len() as u64;
    }
    let loads = format!("SELECT COUNT(*) FROM {schema}.headgate_loads WHERE kind = 'load'");
    loaded.loads = number(&loads).await?;
    Ok(loaded)
}

/// Rows of the database behind the fake, as text.
async fn rows(servers: &Servers, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let url = servers.redshift("REDSHIFT_DIRECT")?;
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let messages = client.simple_query(sql).await;
    let messages = messages.with_context(|| format!("{sql} is refused"))?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|n| row.get(n).map(str::to_owned))
                .collect(),
        ),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}
