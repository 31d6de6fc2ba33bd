//! Real brokers, through the script that everybody starts them with.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Brokers that stop when dropped.
#[derive(Debug)]
pub(super) struct Brokers {
    dir: tempfile::TempDir,
    pub(super) bootstrap: String,
    env: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/kafka.sh")
}

impl Brokers {
    /// Brokers of one's own, to be killed as one likes.
    pub(super) fn start(count: u32) -> Self {
        Self::start_with(&[&count.to_string()])
    }

    /// One broker with a listener that wants TLS and SASL.
    pub(super) fn start_secured() -> Self {
        Self::start_with(&["1", "SECURED"])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut brokers = Self {
            dir,
            bootstrap: String::new(),
            env: String::new(),
        };
        brokers.env = brokers.run("start", arguments);
        brokers.bootstrap = brokers.setting("KAFKA_BOOTSTRAP").to_owned();
        brokers
    }

    /// What the script says of what it started.
    pub(super) fn setting(&self, name: &str) -> &str {
        let mut lines = self.env.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(found, _)| *found == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.env))
            .1
    }

    /// One broker that tests running at the same time share.
    pub(super) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Brokers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let brokers = Arc::new(Self::start(1));
            *shared = Arc::downgrade(&brokers);
            brokers
        })
    }

    /// A command of the script, and what it printed.
    pub(super) fn run(&self, command: &str, arguments: &[&str]) -> String {
        let script = script();
        assert!(script.exists(), "{} is missing", script.display());
        let ran = Command::new(&script)
            .arg(command)
            .arg(self.dir.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        let ran = ran.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert!(
            ran.status.success(),
            "kafka.sh {command} failed: {out}{err}"
        );
        out.into_owned()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let stopped = Command::new(script())
            .arg("stop")
            .arg(self.dir.path())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("Kafka in {} was not stopped", self.dir.path().display());
        }
    }
}
