//! S3 servers for tests, started and stopped by the scripts in `tests/services`. Tests that run at once share one.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use headgate_sink::store::s3::{Config, S3};

/// A running server with a bucket. It ends with the last test that holds it.
#[derive(Debug)]
pub(crate) struct Server {
    script: PathBuf,
    dir: tempfile::TempDir,
    env: HashMap<String, String>,
}

static SEAWEEDFS: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// SeaweedFS.
pub(crate) async fn seaweedfs() -> Arc<Server> {
    let start = || {
        let mut running = SEAWEEDFS.lock().unwrap_or_else(PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Server::start("seaweedfs.sh"));
            *running = Arc::downgrade(&server);
            server
        })
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

impl Server {
    /// Starts a server by its script's name.
    pub(crate) fn start(script: &str) -> Self {
        let services = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/services");
        let script = services.join(script);
        let dir = tempfile::tempdir().unwrap();
        let started = Command::new(&script)
            .arg("start")
            .arg(dir.path())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "{}: {said}", script.display());
        let env = std::fs::read_to_string(dir.path().join("env")).unwrap();
        let pair = |line: &str| {
            let (key, value) = line.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        let env = env.lines().map(pair).collect();
        Self { script, dir, env }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.env["S3_ENDPOINT"]
    }

    /// The id and the secret of an access key.
    pub(crate) fn keys(&self) -> [&str; 2] {
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| self.env[name].as_str())
    }

    /// Settings for a store of its own in the bucket.
    pub(crate) fn config(&self) -> Config {
        Config {
            bucket: self.env["S3_BUCKET"].clone(),
            prefix: format!("test/{}", uuid::Uuid::now_v7().simple()),
            region: Some(self.env["AWS_REGION"].clone()),
            endpoint: Some(self.endpoint().to_owned()),
            path_style: true,
            ..Config::default()
        }
    }

    pub(crate) async fn open(&self, config: Config) -> S3 {
        let [id, secret] = self.keys();
        S3::open_with_keys(config, id, secret).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        let stopped = stop.arg("stop").arg(self.dir.path()).output();
        assert!(std::thread::panicking() || stopped.is_ok_and(|output| output.status.success()));
    }
}
