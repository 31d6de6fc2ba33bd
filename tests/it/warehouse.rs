//! A warehouse that follows what has landed: the real loader against a fake of Redshift over a real PostgreSQL, with real
//! files in a real S3 server.

mod compacted;
mod discards;
mod entities;
mod evolution;
mod isolation;
mod loads;
mod readers;
mod rebuild;
mod reload;
mod survival;
mod tls;
mod users;
mod watching;

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{Reply, Site, Up, request, stderr, stdout, wait_for};
use crate::services::Service;

/// Servers, and what runs on them.
pub(crate) struct Warehouse {
    site: Site,
    fake: Service,
    environment: Vec<(&'static str, String)>,
    _s3: Service,
}

/// How the warehouse is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    DataApi,
    Postgres,
}

impl Warehouse {
    fn start(by: By) -> Self {
        Self::with(Site::new(), by)
    }

    pub(crate) fn with(site: Site, by: By) -> Self {
        Self::with_options(site, by, "")
    }

    /// The same with options of the fake, such as `--isolation serializable`.
    fn with_options(site: Site, by: By, options: &str) -> Self {
        let s3 = Service::seaweedfs();
        let fake = Service::redshift(&s3, options);
        let of = |name: &str| fake.setting(name).to_owned();
        let s3_of = |name: &str| s3.setting(name).to_owned();
        let password = site.file("password");
        std::fs::write(&password, of("REDSHIFT_PASSWORD")).expect("a file of the test's own");
        let mut environment = vec![
            ("HEADGATE__STORE__KIND", "s3".to_owned()),
            ("HEADGATE__S3__BUCKET", s3_of("S3_BUCKET")),
            ("HEADGATE__S3__ENDPOINT", s3_of("S3_ENDPOINT")),
            ("HEADGATE__S3__PATH_STYLE", "true".to_owned()),
            ("HEADGATE__S3__PREFIX", "lake".to_owned()),
            ("AWS_ACCESS_KEY_ID", s3_of("AWS_ACCESS_KEY_ID")),
            ("AWS_SECRET_ACCESS_KEY", s3_of("AWS_SECRET_ACCESS_KEY")),
            ("AWS_REGION", s3_of("AWS_REGION")),
            ("HEADGATE__WAREHOUSE__KIND", "redshift".to_owned()),
            ("HEADGATE__WAREHOUSE__IAM_ROLE", of("REDSHIFT_IAM_ROLE")),
            ("HEADGATE__WAREHOUSE__LOAD_AGE_MAX_MS", "200".to_owned()),
            ("HEADGATE__WAREHOUSE__POLL_MS", "100".to_owned()),
        ];
        environment.extend(match by {
            By::DataApi => vec![
                (
                    "HEADGATE__WAREHOUSE__DATA_API__WORKGROUP",
                    of("REDSHIFT_WORKGROUP"),
                ),
                (
                    "HEADGATE__WAREHOUSE__DATA_API__DATABASE",
                    of("REDSHIFT_DATABASE"),
                ),
                (
                    "HEADGATE__WAREHOUSE__DATA_API__ENDPOINT",
                    of("REDSHIFT_ENDPOINT"),
                ),
            ],
            By::Postgres => vec![
                ("HEADGATE__WAREHOUSE__CONNECTION", "postgres".to_owned()),
                ("HEADGATE__WAREHOUSE__POSTGRES__HOST", of("REDSHIFT_HOST")),
                ("HEADGATE__WAREHOUSE__POSTGRES__PORT", of("REDSHIFT_PORT")),
                (
                    "HEADGATE__WAREHOUSE__POSTGRES__DATABASE",
                    of("REDSHIFT_DATABASE"),
                ),
                ("HEADGATE__WAREHOUSE__POSTGRES__USER", of("REDSHIFT_USER")),
                (
                    "HEADGATE__WAREHOUSE__POSTGRES__PASSWORD_FILE",
                    password.display().to_string(),
                ),
                ("HEADGATE__WAREHOUSE__POSTGRES__TLS", "off".to_owned()),
            ],
        });
        Self {
            site,
            fake,
            environment,
            _s3: s3,
        }
    }

    /// A process that takes, lands and loads.
    pub(crate) fn up(&self) -> Up {
        self.up_with(&[])
    }

    /// A process that takes and lands only.
    fn up_without_loader(&self) -> Up {
        self.up_with(&[("HEADGATE__WAREHOUSE__KIND", "none")])
    }

    fn up_with(&self, more: &[(&str, &str)]) -> Up {
        let own = self
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
        self.site.up_with(&all)
    }

    /// Another setting for all processes that are started from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// The data directory of its processes.
    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.site.data_dir()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.command();
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command
            .args(arguments)
            .envs(environment)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    /// Loads what has landed; fails the test if that fails.
    #[track_caller]
    pub(crate) fn load(&self) {
        let output = self.output(&["warehouse", "load"]);
        assert!(
            output.status.success(),
            "{}{}",
            stdout(&output),
            stderr(&output)
        );
    }

    /// How many loads were set aside.
    fn set_aside(&self) -> u64 {
        self.number("SELECT COUNT(*) FROM public.headgate_loads WHERE kind = 'set_aside'")
    }

    /// A loader that is left alone.
    fn loader(&self) -> Loading {
        let mut command = self.command(&["warehouse", "load"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Loading(child.expect("it starts"))
    }

    /// Rows of the database behind the fake, as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let url = self.fake.setting("REDSHIFT_DIRECT");
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
                .await
                .expect("PostgreSQL is there");
            tokio::spawn(connection);
            let messages = client
                .simple_query(sql)
                .await
                .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            let row = |message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(
                    (0..row.len())
                        .map(|n| row.get(n).map(str::to_owned))
                        .collect(),
                ),
                _ => None,
            };
            messages.into_iter().filter_map(row).collect()
        })
    }

    /// One number of the database behind the fake.
    pub(crate) fn number(&self, sql: &str) -> u64 {
        let rows = self.rows(sql);
        let value = rows.first().and_then(|row| row.first().cloned().flatten());
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no number from {sql}"))
    }

    /// Whether the table is there, and its rows.
    pub(crate) fn count(&self, table: &str) -> Option<u64> {
        let there = format!(
            "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = '{table}'"
        );
        (self.number(&there) == 1)
            .then(|| self.number(&format!("SELECT COUNT(*) FROM public.\"{table}\"")))
    }

    /// Speaks to the fake about its faults.
    fn fake(&self, method: &str, path: &str, body: &Value) -> Reply {
        let address = self
            .fake
            .setting("REDSHIFT_ENDPOINT")
            .trim_start_matches("http://");
        let address = address.parse().expect("an address");
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        request(
            address,
            method,
            path,
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
        .expect("a reply")
    }

    fn fault(&self, rule: &Value) {
        let reply = self.fake("POST", "/_fault", rule);
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    fn no_faults(&self) {
        self.fake("DELETE", "/_fault", &Value::Null);
    }

    /// The statements that the fake ran since the log was cleared.
    fn log(&self) -> Vec<Value> {
        let log = self.fake("GET", "/_log", &Value::Null).json();
        log.as_array()
            .or(log["entries"].as_array())
            .cloned()
            .unwrap_or_default()
    }

    /// Posts so many events, with ids of their own, and waits until they have landed.
    pub(crate) fn land(&self, up: &Up, from: u64, count: u64) {
        let events: Vec<Value> = (from..from + count).map(event).collect();
        let reply = up.post_json(&Value::Array(events).to_string());
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.wait_for_landed(from + count);
    }

    /// Waits until so many rows have landed.
    pub(crate) fn wait_for_landed(&self, rows: u64) {
        wait_for("rows to land", || {
            let sql = "select count(*) n from screen_viewed_1";
            let output = self.output(&["query", "--format", "json", sql]);
            let told: Value = serde_json::from_str(stdout(&output).trim()).ok()?;
            (told["n"].as_u64()? >= rows).then_some(())
        });
    }

    /// The table, the ledger and what has landed agree.
    #[track_caller]
    fn assert_whole(&self, rows: u64) {
        assert_eq!(self.count("screen_viewed_1"), Some(rows));
        let distinct = "SELECT COUNT(DISTINCT event_id) FROM public.screen_viewed_1";
        assert_eq!(self.number(distinct), rows);
        let inserted = "SELECT COALESCE(SUM(rows_inserted), 0) FROM public.headgate_loads WHERE kind = 'load' AND \
                        table_name = 'screen_viewed_1'";
        assert_eq!(self.number(inserted), rows);
    }
}

/// An event of its own number.
pub(crate) fn event(number: u64) -> Value {
    json!({"id": format!("e{number}"), "type": "screen_viewed", "userid": format!("u{number}"),
           "data": {"name": format!("screen_{number}")}})
}

/// A loader; killed when dropped.
struct Loading(Child);

impl Loading {
    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
