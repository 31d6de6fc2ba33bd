//! `headgate tables glue` against moto's Glue, with what landed in a real S3 server.
//!
//! Needs a Python with moto, named by `HEADGATE_TEST_PYTHON`; the project's test command prepares one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::cluster::s3_environment;
use crate::harness::{Site, Up, stderr, stdout, wait_for};
use crate::readers::python;
use crate::services::Service;

/// moto's server, which ends when its standard input does.
pub(crate) struct Moto {
    child: Child,
    pub(crate) endpoint: String,
}

fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

impl Moto {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(python())
            .arg(script("services/glue_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of HEADGATE_TEST_PYTHON runs");
        let mut said = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut said).expect("a line");
        let endpoint = said.trim_end().strip_prefix("GLUE_ENDPOINT=");
        let endpoint = endpoint.expect("moto's server starts").to_owned();
        Self { child, endpoint }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if self.child.wait().is_err() {
            eprintln!("moto's server was not stopped");
        }
    }
}

/// A site whose tables are in a bucket, and a catalogue.
struct Lake {
    site: Site,
    schemas: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
    moto: Moto,
    _s3: Service,
}

impl Lake {
    fn start() -> Self {
        let s3 = Service::seaweedfs();
        let moto = Moto::start();
        let mut environment = s3_environment(&s3);
        environment.push(("HEADGATE__S3__PREFIX", "prod".to_owned()));
        environment.push(("HEADGATE__GLUE__ENDPOINT", moto.endpoint.clone()));
        environment.push(("HEADGATE__GLUE__DATABASE", "web".to_owned()));
        let schemas = tempfile::tempdir().expect("a directory");
        Self {
            site: Site::with_schemas(schemas.path().to_owned()),
            schemas,
            environment,
            moto,
            _s3: s3,
        }
    }

    /// Writes the schema of that version, which has these properties.
    fn schema(&self, version: &str, properties: &str) {
        let dir = self.schemas.path().join("visit");
        std::fs::create_dir_all(&dir).expect("a directory");
        let text = format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
        std::fs::write(dir.join(format!("{version}.json")), text).expect("a file");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        let mut command = self.site.command();
        command
            .args(arguments)
            .envs(variables)
            .output()
            .expect("it runs")
    }

    fn up(&self) -> Up {
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.site.up_with(&environment)
    }

    fn wait_for_rows(&self, rows: u64) {
        let sql = "SELECT count(*) n FROM visit_1";
        wait_for("rows in visit_1", || {
            let output = self.run(&["query", "--format", "csv", sql]);
            (stdout(&output) == format!("n\n{rows}\n")).then_some(())
        });
    }

    /// What a run says of `visit_1`.
    #[track_caller]
    fn register(&self) -> String {
        let output = self.run(&["tables", "glue", "--table", "visit_1"]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    }

    /// What the catalogue has of `visit_1`.
    fn catalogued(&self) -> Value {
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        let output = Command::new(python())
            .arg(script("readers/glue.py"))
            .args([&self.moto.endpoint, "web", "visit_1"])
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .envs(variables)
            .output()
            .expect("the Python of HEADGATE_TEST_PYTHON runs");
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn post(up: &Up, id: &str) {
    let event = json!({ "id": id, "type": "visit", "data": { "page": "a" } });
    let reply = up.post_json(&event.to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
#[ignore = "needs an S3 server and a Python with moto"]
fn a_run_makes_the_catalogue_say_what_landed_and_the_next_changes_nothing() {
    let lake = Lake::start();
    lake.schema("1", r#""page":{"type":"string"},"tags":{"type":"array"}"#);
    let up = lake.up();
    post(&up, "v-1");
    lake.wait_for_rows(1);
    assert_eq!(
        lake.register(),
        "visit_1: created, 1 partitions added, 0 updated\n"
    );
    assert_eq!(
        lake.register(),
        "visit_1: unchanged, 0 partitions added, 0 updated\n"
    );

    let seen = lake.catalogued();
    assert_eq!(seen["keys"], json!(["dt", "hr"]));
    assert_eq!(seen["columns"]["received_at"], "timestamp");
    assert_eq!(seen["columns"]["tags"], "string");
    let folder = seen["location"].as_str().expect("a folder");
    assert!(
        folder.starts_with("s3://") && folder.ends_with("/prod/visit_1/"),
        "{folder}"
    );
    let partition = &seen["partitions"][0];
    let [dt, hr] = [0, 1].map(|n| partition["values"][n].as_str().expect("a value"));
    assert_eq!(partition["location"], format!("{folder}dt={dt}/hr={hr}/"));

    // A minor adds a column: to the table, and to the partition that is there.
    let more = r#""page":{"type":"string"},"tags":{"type":"array"},"count":{"type":"integer"}"#;
    lake.schema("1.1", more);
    assert_eq!(
        lake.register(),
        "visit_1: updated, 0 partitions added, 1 updated\n"
    );
    let seen = lake.catalogued();
    assert_eq!(seen["columns"]["count"], "bigint");
    let columns = seen["columns"].as_object().map(serde_json::Map::len);
    assert_eq!(
        seen["partitions"][0]["columns"].as_u64(),
        columns.map(|n| n as u64)
    );
    assert_eq!(
        lake.register(),
        "visit_1: unchanged, 0 partitions added, 0 updated\n"
    );

    // Who still has the older schemas takes nothing away.
    std::fs::remove_file(lake.schemas.path().join("visit/1.1.json")).expect("it was there");
    assert_eq!(
        lake.register(),
        "visit_1: unchanged, 0 partitions added, 0 updated\n"
    );
    assert_eq!(lake.catalogued()["columns"]["count"], "bigint");
}

#[test]
fn the_catalogue_is_for_a_bucket() {
    let site = Site::new();
    let output = site
        .command()
        .args(["tables", "glue"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("store.kind"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_endpoint_that_is_no_url_is_a_wrong_setting() {
    let site = Site::new();
    let mut command = site.command();
    command.env("HEADGATE__GLUE__ENDPOINT", "localhost:5000");
    let output = command.args(["tables", "glue"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("glue.endpoint"),
        "{}",
        stderr(&output)
    );
}
