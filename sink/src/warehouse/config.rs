//! What an operator can set about the warehouse.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{plan::Limits, readers::name_of_source};

/// Settings of `[warehouse]`: the tables in a warehouse that follow those in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which warehouse is kept equal to what has landed: `none` or `redshift`, which needs `store.kind = "s3"`. Default
    /// `none`.
    pub kind: Kind,
    /// How it is spoken to: `data_api` (the Redshift Data API; see `[warehouse.data_api]`) or `postgres` (the cluster
    /// itself; see `[warehouse.postgres]`). Default `data_api`.
    pub connection: Connection,
    /// The schema of all tables in the warehouse; it must be there. Default `public`.
    pub schema: String,
    /// The role that COPY reads the files with: its ARN, or `default` for the one that is set as the warehouse's default.
    /// Default `default`.
    pub iam_role: String,
    /// The tables that are loaded, by name, or by patterns in which `*` is anything. Default all.
    pub include: Vec<String>,
    /// The tables that are not, though `include` has them. Default `bad_events` and `replayed_events`, which are of use in
    /// the lake alone.
    pub exclude: Vec<String>,
    /// A file is loaded when it was committed so long ago, in ms. Fewer, larger loads cost the warehouse less. Default
    /// 30,000.
    pub load_age_max_ms: u64,
    /// A table is loaded at once when so much waits, in bytes; a load ends at that size. Default 1 GiB.
    pub load_bytes_max: u64,
    /// A load has at most so many files, unless one commit has more. Default 1,000.
    pub load_files_max: usize,
    /// A load's files are a multiple of this many where nothing has to wait for it: slices read files side by side. The
    /// number of slices in the warehouse. Default 2.
    pub slices: usize,
    /// How many tables are loaded at once. Default 4.
    pub loads_at_once_max: usize,
    /// How often the commit logs are looked at, in ms. Default 1,000.
    pub poll_ms: u64,
    /// Rows with one event id that were received within so much of each other are one, in ms: what a client sends again within
    /// this time is one row. Default 604,800,000 (a week).
    pub dedup_window_ms: u64,
    /// How long statements may run, in ms. Default 900,000.
    pub statements_deadline_ms: u64,
    /// The longest pause between two tries of a load that fails, in ms. Default 60,000.
    pub retry_pause_max_ms: u64,
    /// How many files wait in memory at most. Of the tables that have most, the rest is read from the logs again when there
    /// is room. Default 100,000.
    pub files_waiting_max: usize,
    /// Settings of single tables, by name or pattern: `[warehouse.tables."order_*"]` with `retention_days = 90`. Default
    /// none.
    pub tables: BTreeMap<String, TableConfig>,
    /// Who may read: `[warehouse.readers.<name>]`. Default nobody but who may already.
    pub readers: BTreeMap<String, Reader>,
    /// The Redshift Data API.
    pub data_api: DataApi,
    /// The cluster itself, by PostgreSQL's protocol.
    pub postgres: Postgres,
}

/// A warehouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No warehouse.
    #[default]
    None,
    /// Amazon Redshift.
    Redshift,
}

/// How the warehouse is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// By HTTP, with AWS credentials.
    #[default]
    DataApi,
    /// By PostgreSQL's protocol.
    Postgres,
}

/// Settings of one table, or of those of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Rows received longer ago than so many days are removed from the warehouse, and older files not loaded; they stay in
    /// the store.
    pub retention_days: u32,
}

/// A group of readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// Who they are: `ROLE <name>`, `GROUP <name>` or a user's name.
    pub to: String,
    /// The tables that they may read, by name or pattern. Default all.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The sources whose events they may read; for each, views named `<table>__<source>` are made (what is no
    /// letter or digit is `_` there, so of sources that differ in nothing else only one is allowed), and the tables themselves
    /// are not readable. Default all.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Settings of `[warehouse.data_api]`. Credentials come from where the AWS tools find them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataApi {
    /// The serverless workgroup. Either this or `cluster`.
    pub workgroup: Option<String>,
    /// The provisioned cluster's identifier.
    pub cluster: Option<String>,
    /// The database that the tables are in.
    pub database: String,
    /// The secret with the database's user and password. Without it and `db_user`, the caller's IAM identity is the user.
    pub secret_arn: Option<String>,
    /// The database's user, of a provisioned cluster only.
    pub db_user: Option<String>,
    /// The region. Default what AWS_REGION or the profile says.
    pub region: Option<String>,
    /// Another endpoint than the region's own, such as that of a VPC.
    pub endpoint: Option<String>,
    /// How long one call may take, in ms: none waits for statements to end. Default 15,000.
    pub call_timeout_ms: u64,
}

/// Settings of `[warehouse.postgres]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// The cluster's host name.
    pub host: String,
    /// Its port. Default 5439.
    pub port: u16,
    /// The database that the tables are in.
    pub database: String,
    /// The database's user who owns the tables.
    pub user: String,
    /// A file with the password, read at each connect; white space at its end does not count.
    pub password_file: Option<PathBuf>,
    /// Whether the connection is encrypted, and the server's certificate checked: `verify` or `off`. Default `verify`.
    pub tls: Tls,
    /// A file with the certificates that are trusted, in PEM. Default the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a connect may take, in ms. Default 10,000.
    pub connect_timeout_ms: u64,
}

/// TLS to the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// The certificate must be the host's, by a trusted authority.
    #[default]
    Verify,
    /// No encryption.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: Kind::None,
            connection: Connection::DataApi,
            schema: "public".to_owned(),
            iam_role: "default".to_owned(),
            include: vec!["*".to_owned()],
            exclude: vec!["bad_events".to_owned(), "replayed_events".to_owned()],
            load_age_max_ms: 30_000,
            load_bytes_max: 1 << 30,
            load_files_max: 1_000,
            slices: 2,
            loads_at_once_max: 4,
            poll_ms: 1_000,
            dedup_window_ms: 7 * 86_400_000,
            statements_deadline_ms: 900_000,
            retry_pause_max_ms: 60_000,
            files_waiting_max: 100_000,
            tables: BTreeMap::new(),
            readers: BTreeMap::new(),
            data_api: DataApi::default(),
            postgres: Postgres::default(),
        }
    }
}

impl Default for DataApi {
    fn default() -> Self {
        Self {
            workgroup: None,
            cluster: None,
            database: String::new(),
            secret_arn: None,
            db_user: None,
            region: None,
            endpoint: None,
            call_timeout_ms: 15_000,
        }
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 5_439,
            database: String::new(),
            user: String::new(),
            password_file: None,
            tls: Tls::Verify,
            ca_file: None,
            connect_timeout_ms: 10_000,
        }
    }
}

impl Config {
    /// What is wrong with the settings: each key with what is allowed there. Empty: nothing, or no warehouse.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        if self.kind == Kind::None {
            return Vec::new();
        }
        let mut problems = self.bounds();
        if self.schema.is_empty() || self.schema.len() > 127 {
            problems.push(("schema", "must be 1 to 127 bytes long".to_owned()));
        }
        if self.iam_role != "default" && !self.iam_role.starts_with("arn:") {
            let reason = format!(
                "`{}` is not allowed: `default` or a role's ARN",
                self.iam_role
            );
            problems.push(("iam_role", reason));
        }
        for (name, table) in &self.tables {
            if name.is_empty() || !(1..=36_500).contains(&table.retention_days) {
                let reason = format!(
                    "`{name}` with retention_days = {} is not allowed: a table's name or pattern, and 1 to 36500",
                    table.retention_days
                );
                problems.push(("tables", reason));
            }
        }
        problems.extend(self.readers_problems().map(|reason| ("readers", reason)));
        problems.extend(match self.connection {
            Connection::DataApi => self.data_api.problems(),
            Connection::Postgres => self.postgres.problems(),
        });
        problems
    }

    fn readers_problems(&self) -> impl Iterator<Item = String> {
        let nobody = self
            .readers
            .iter()
            .filter(|(_, reader)| reader.to.trim().is_empty());
        let nobody = nobody.map(|(name, _)| format!("`{name}`: `to` must say who they are"));
        let mut views: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for source in self.readers.values().flat_map(|reader| &reader.sources) {
            views
                .entry(name_of_source(source))
                .or_default()
                .insert(source);
        }
        let shared = views.into_iter().filter(|(_, sources)| sources.len() > 1);
        let shared = shared.map(|(view, sources)| {
            let sources: Vec<&str> = sources.into_iter().collect();
            format!(
                "the sources `{}` would share the views named <table>__{view}: only one of them is allowed",
                sources.join("` and `")
            )
        });
        nobody.chain(shared)
    }

    fn bounds(&self) -> Vec<(&'static str, String)> {
        let day_ms = 86_400_000;
        let bounds: [(&'static str, u64, u64, u64); 10] = [
            ("load_age_max_ms", self.load_age_max_ms, 0, day_ms),
            ("load_bytes_max", self.load_bytes_max, 1 << 16, 1 << 40),
            ("load_files_max", self.load_files_max as u64, 1, 100_000),
            ("slices", self.slices as u64, 1, 10_000),
            ("loads_at_once_max", self.loads_at_once_max as u64, 1, 100),
            ("poll_ms", self.poll_ms, 50, 3_600_000),
            ("dedup_window_ms", self.dedup_window_ms, 0, 3_650 * day_ms),
            (
                "statements_deadline_ms",
                self.statements_deadline_ms,
                1_000,
                day_ms,
            ),
            ("retry_pause_max_ms", self.retry_pause_max_ms, 10, 3_600_000),
            (
                "files_waiting_max",
                self.files_waiting_max as u64,
                100,
                10_000_000,
            ),
        ];
        let outside = bounds
            .iter()
            .filter(|(_, value, least, most)| value < least || value > most);
        let problem = |(key, value, least, most): &(&'static str, u64, u64, u64)| {
            (
                *key,
                format!("{value} is not allowed: at least {least} and at most {most}"),
            )
        };
        outside.map(problem).collect()
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            age_max_ms: self.load_age_max_ms,
            bytes_max: self.load_bytes_max,
            files_max: self.load_files_max,
            slices: self.slices,
        }
    }

    /// Whether a table is loaded.
    pub(super) fn loads(&self, table: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, table));
        any(&self.include) && !any(&self.exclude)
    }

    /// How many days of a table's rows are kept; `None`: all. A whole name says most; of two patterns the longer one.
    pub(super) fn retention_days(&self, table: &str) -> Option<u32> {
        let fitting = self
            .tables
            .iter()
            .filter(|(pattern, _)| matches(pattern, table));
        let best = fitting.min_by_key(|(p, _)| (p.contains('*'), std::cmp::Reverse(p.len())));
        best.map(|(_, table)| table.retention_days)
    }
}

impl DataApi {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.workgroup.is_some() == self.cluster.is_some() {
            let reason =
                "one of `workgroup` (serverless) and `cluster` (provisioned) must be set, not both";
            problems.push(("data_api.workgroup", reason.to_owned()));
        }
        if self.database.is_empty() {
            problems.push(("data_api.database", "must name the database".to_owned()));
        }
        if !(100..=600_000).contains(&self.call_timeout_ms) {
            let reason = format!(
                "{} is not allowed: at least 100 and at most 600000",
                self.call_timeout_ms
            );
            problems.push(("data_api.call_timeout_ms", reason));
        }
        if self.db_user.is_some() && (self.workgroup.is_some() || self.secret_arn.is_some()) {
            let reason = "is allowed with `cluster` only, and not beside `secret_arn`";
            problems.push(("data_api.db_user", reason.to_owned()));
        }
        problems
    }
}

impl Postgres {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let wanted = [
            ("postgres.host", &self.host),
            ("postgres.database", &self.database),
            ("postgres.user", &self.user),
        ];
        let missing = wanted.into_iter().filter(|(_, value)| value.is_empty());
        let mut problems: Vec<_> = missing
            .map(|(key, _)| (key, "must be set".to_owned()))
            .collect();
        if !(100..=600_000).contains(&self.connect_timeout_ms) {
            problems.push((
                "postgres.connect_timeout_ms",
                "must be 100 to 600000".to_owned(),
            ));
        }
        problems
    }
}

/// Whether a name is of a pattern, in which `*` is anything.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(last) = parts.pop() else {
        return true;
    };
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redshift() -> Config {
        Config {
            kind: Kind::Redshift,
            data_api: DataApi {
                workgroup: Some("w".to_owned()),
                database: "dev".to_owned(),
                ..DataApi::default()
            },
            ..Config::default()
        }
    }

    #[test]
    fn nothing_is_wrong_without_a_warehouse_or_with_a_named_one() {
        assert_eq!(Config::default().problems(), []);
        assert_eq!(redshift().problems(), []);
    }

    #[test]
    fn what_is_missing_or_contradicts_is_named() {
        let keys = |config: Config| {
            config
                .problems()
                .iter()
                .map(|(key, _)| *key)
                .collect::<Vec<_>>()
        };
        let mut both = redshift();
        both.data_api.cluster = Some("c".to_owned());
        both.data_api.db_user = Some("u".to_owned());
        both.slices = 0;
        assert_eq!(
            keys(both),
            ["slices", "data_api.workgroup", "data_api.db_user"]
        );
        let direct = Config {
            connection: Connection::Postgres,
            iam_role: "me".to_owned(),
            ..redshift()
        };
        assert_eq!(
            keys(direct),
            [
                "iam_role",
                "postgres.host",
                "postgres.database",
                "postgres.user"
            ]
        );
    }

    #[test]
    fn sources_that_would_share_a_view_are_refused() {
        let reader = |sources: &[&str]| Reader {
            to: "public".to_owned(),
            tables: Vec::new(),
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        };
        let readers = |named: &[(&str, Reader)]| Config {
            readers: named
                .iter()
                .map(|(name, reader)| ((*name).to_owned(), reader.clone()))
                .collect(),
            ..redshift()
        };
        let apart = [("a", reader(&["web", "app"])), ("b", reader(&["web"]))];
        assert_eq!(readers(&apart).problems(), []);
        let shared = [("a", reader(&["web-app"])), ("b", reader(&["Web.app"]))];
        let problems = readers(&shared).problems();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].1.contains("`Web.app` and `web-app`"),
            "{problems:?}"
        );
    }

    #[test]
    fn patterns_are_whole_names_with_gaps() {
        for (pattern, name, expected) in [
            ("order_1", "order_1", true),
            ("order_1", "order_11", false),
            ("order_*", "order_1", true),
            ("*_1", "order_1", true),
            ("o*r*1", "order_1", true),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(redshift().loads("order_1") && !redshift().loads("bad_events"));
    }
}
