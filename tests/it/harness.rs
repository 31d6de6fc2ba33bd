//! What every test here needs: the real binary as a process that cannot outlive its test, HTTP to it, and waiting for
//! conditions.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take. Generous: machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives a value; fails the test with `what` when it takes too long.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, condition)
}

/// The same with another patience.
#[track_caller]
fn wait_within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited {patience:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The command under test, without anything of this environment's configuration.
pub(crate) fn headgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEADGATE__") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(std::env::temp_dir())
        .env("HEADGATE__LOG__FILTER", "info");
    command
}

/// The example catalogue.
pub(crate) fn catalogue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/events")
}

/// Runs a command with `input` on its standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that fails early does not read its input.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

/// What a command wrote to standard output.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command wrote to standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A data directory and what runs on it.
pub(crate) struct Site {
    dir: TempDir,
    schemas: PathBuf,
}

impl Site {
    /// An empty data directory with the example catalogue.
    pub(crate) fn new() -> Self {
        Self::with_schemas(catalogue())
    }

    /// An empty data directory with the schemas of `dir`.
    pub(crate) fn with_schemas(dir: PathBuf) -> Self {
        Self {
            dir: TempDir::new().expect("a temporary directory"),
            schemas: dir,
        }
    }

    /// A file of the test, beside the data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command on this site: `subcommand` and its arguments are to follow.
    pub(crate) fn command(&self) -> Command {
        let mut command = headgate();
        command
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--schemas")
            .arg(&self.schemas);
        command
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `headgate up` on free ports, which lands what it has within a fraction of a second.
    pub(crate) fn up_command(&self) -> Command {
        let mut command = self.command();
        command
            .arg("up")
            .env("HEADGATE__GATEWAY__LISTEN", "127.0.0.1:0")
            .env("HEADGATE__GATEWAY__ADMIN__LISTEN", "127.0.0.1:0")
            .env("HEADGATE__SINK__BATCH_AGE_MAX_MS", "200")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log());
        command
    }

    /// Where the processes of this site log, one after the other: shown when the test fails.
    fn log(&self) -> File {
        let options = File::options()
            .create(true)
            .append(true)
            .open(self.file("log"));
        options.expect("a file of the test's own")
    }

    /// Starts `headgate up` and waits until it takes events.
    pub(crate) fn up(&self) -> Up {
        self.up_with(&[])
    }

    /// The same with further settings from the environment.
    pub(crate) fn up_with(&self, environment: &[(&str, &str)]) -> Up {
        Up::start(self, self.up_command().envs(environment.iter().copied()))
    }

    /// Starts `headgate up` with a given address for events.
    pub(crate) fn up_at(&self, address: &str) -> Up {
        self.up_with(&[("HEADGATE__GATEWAY__LISTEN", address)])
    }

    /// The rows of a statement, as JSON objects.
    pub(crate) fn query(&self, sql: &str) -> Vec<Value> {
        let output = self
            .command()
            .args(["query", "--format", "json", sql])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{sql}: {}", stderr(&output));
        stdout(&output)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The rows of a table; 0 while it is not there.
    pub(crate) fn count(&self, table: &str) -> u64 {
        let rows = self.query(&format!("select count(*) n from {table}"));
        rows.first()
            .and_then(|row| row["n"].as_u64())
            .expect("a count")
    }

    /// Waits until a table has this many rows.
    #[track_caller]
    pub(crate) fn wait_for_rows(&self, table: &str, rows: u64) {
        wait_for(&format!("{rows} rows in {table}"), || {
            (self.count(table) >= rows).then_some(())
        });
        assert_eq!(self.count(table), rows, "rows in {table}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{}",
                std::fs::read_to_string(self.file("log")).unwrap_or_default()
            );
        }
    }
}

/// Waits until a process has written where it listens.
pub(crate) fn addresses(child: &mut Child, file: &Path) -> Value {
    let pid = child.id();
    // A sink tries its store out first, and SeaweedFS lets creates that race wait for each other by the second.
    wait_within(3 * PATIENCE, "the addresses of a process", || {
        if let Some(status) = child.try_wait().expect("a child") {
            panic!("the process ended with {status} instead of starting");
        }
        let found: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        // A process that was killed has left its own behind.
        (found["pid"].as_u64() == Some(pid.into())).then_some(found)
    })
}

/// One of a process's addresses.
pub(crate) fn address(addresses: &Value, name: &str) -> SocketAddr {
    let text = addresses[name].as_str().expect("an address");
    text.parse().expect("an address")
}

/// A running `headgate up`; killed when dropped.
pub(crate) struct Up {
    child: Child,
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Up {
    /// Waits until what the command starts on the site takes events.
    pub(crate) fn start(site: &Site, command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let file = site.data_dir().join("run/addresses.json");
        let addresses = addresses(&mut child, &file);
        Self {
            gateway: address(&addresses, "gateway"),
            admin: address(&addresses, "admin"),
            child,
        }
    }

    /// Posts to `/v1/events`.
    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        request(self.gateway, "POST", "/v1/events", headers, body).expect("a reply")
    }

    /// Posts one JSON text.
    pub(crate) fn post_json(&self, body: &str) -> Reply {
        self.post(&[("content-type", "application/json")], body.as_bytes())
    }

    /// A page of the admin port.
    pub(crate) fn admin(&self, path: &str) -> Reply {
        request(self.admin, "GET", path, &[], b"").expect("a reply")
    }

    /// The value of a metric without labels, or of the first series that starts with `name`.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let page = self.admin("/metrics").body;
        let line = page.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the end of `headgate up`", || {
            self.child.try_wait().expect("a child")
        })
    }

    /// A line of the process's `/proc/<pid>/status` that tells a size, such as `VmRSS`, in bytes.
    pub(crate) fn memory_bytes(&self, name: &str) -> u64 {
        let file = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(file).expect("the process is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("a size in kB") * 1024
    }

    /// Asks the process to end, and waits for it.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Kills the process without a chance to do anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process is there");
        self.ended();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An HTTP reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = reply.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(cut)?;
    let reply = Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    };
    let length = reply.header("content-length");
    if length.is_some_and(|length| length != body.len().to_string()) {
        return Err(cut());
    }
    Ok(reply)
}
