//! The real servers of a test, started and stopped by the scripts in `tests/services`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::{stderr, stdout};

/// A server, stopped when dropped.
pub(crate) struct Service {
    script: PathBuf,
    dir: TempDir,
    settings: HashMap<String, String>,
}

impl Service {
    /// One broker.
    pub(crate) fn kafka() -> Self {
        Self::start("kafka.sh", &["1"])
    }

    /// A server of Kinesis' protocol.
    pub(crate) fn kinesis() -> Self {
        Self::start("kinesis.sh", &[])
    }

    /// An S3 server.
    pub(crate) fn seaweedfs() -> Self {
        Self::start("seaweedfs.sh", &[])
    }

    /// An S3 server whose creates are not atomic.
    pub(crate) fn s3s() -> Self {
        Self::start("s3s.sh", &[])
    }

    /// A fake of Redshift that reads from that S3 server, with options such as `--isolation serializable`.
    pub(crate) fn redshift(s3: &Self, options: &str) -> Self {
        let s3_dir = s3.dir.path().display().to_string();
        let options = [("HEADGATE_REDSHIFT_OPTIONS", options)];
        Self::start_with("redshift.sh", &[&s3_dir], &options)
    }

    fn start(script: &str, arguments: &[&str]) -> Self {
        Self::start_with(script, arguments, &[])
    }

    fn start_with(script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services");
        let mut service = Self {
            script: services.join(script),
            dir: TempDir::new().expect("a temporary directory"),
            settings: HashMap::new(),
        };
        let started = Command::new(&service.script)
            .arg("start")
            .arg(service.dir.path())
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("the script runs");
        assert!(started.status.success(), "{script}: {}", stderr(&started));
        service.settings = stdout(&started)
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        service
    }

    /// Has the script do something to the server, such as `kill`.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) {
        let mut script = Command::new(&self.script);
        let ran = script.arg(command).arg(self.dir.path()).args(arguments);
        let ran = ran.stdin(Stdio::null()).output().expect("the script runs");
        assert!(ran.status.success(), "{command}: {}", stderr(&ran));
    }

    /// A setting that the script printed.
    #[track_caller]
    pub(crate) fn setting(&self, name: &str) -> &str {
        let value = self.settings.get(name);
        value.unwrap_or_else(|| panic!("no {name} from {}", self.script.display()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        let stopped = stop.arg("stop").arg(self.dir.path()).output();
        if !stopped.is_ok_and(|output| output.status.success()) {
            eprintln!("{} was not stopped", self.script.display());
        }
    }
}
