//! Server processes: started on a free port, measured from outside, ended with the benchmark.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

const START_POLL: Duration = Duration::from_millis(20);
const BYTES_A_KIB: u64 = 1_024;

/// Why a server could not be started or measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The server ended, or never listened.
    #[error("{name} does not listen on {address}: {reason}; its output is in {log}")]
    NotUp {
        /// The server's name.
        name: String,
        /// Where it was to listen.
        address: SocketAddr,
        /// What happened instead.
        reason: String,
        /// The file with what it printed.
        log: PathBuf,
    },
}

/// Attaches what was tried to an operating system's error.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}

/// A figure of a process has settled when it has not changed for this many samples in a row.
const SETTLED_SAMPLES: u32 = 5;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A figure once it has settled, or when there is no more time for that.
pub(super) async fn settled<T: PartialEq>(read: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let until = Instant::now() + SETTLE_TIMEOUT;
    let mut figure = read()?;
    let mut unchanged = 0;
    while unchanged < SETTLED_SAMPLES && Instant::now() < until {
        sleep(SETTLE_PAUSE).await;
        let now = read()?;
        unchanged = if now == figure { unchanged + 1 } else { 0 };
        figure = now;
    }
    Ok(figure)
}

/// A loopback address on which nothing listens at the moment.
///
/// # Errors
/// When the operating system has no free port.
pub fn free_address() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener
        .and_then(|listener| listener.local_addr())
        .map_err(failed("no free port"))
}

/// How a server is started.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Its name, and that of its log, `<name>.log`.
    pub name: &'a str,
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [String],
    /// Variables beside those of this process.
    pub environment: &'a [(String, String)],
    /// Where it is to listen.
    pub address: SocketAddr,
    /// Where its output goes.
    pub work_dir: &'a Path,
    /// How long it may take to listen.
    pub deadline: Duration,
}

/// A server process, ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen before the deadline.
    pub async fn start(launch: Launch<'_>) -> Result<Server, Error> {
        let address = launch.address;
        let log = launch.work_dir.join(format!("{}.log", launch.name));
        let output = File::create(&log).map_err(failed(log.display().to_string()))?;
        let errors = output
            .try_clone()
            .map_err(failed(log.display().to_string()))?;
        let child = Command::new(launch.program)
            .args(launch.args)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(failed(launch.program.display().to_string()))?;
        let mut server = Server { child, address };
        let not_up = |reason: String| Error::NotUp {
            name: launch.name.to_owned(),
            address,
            reason,
            log,
        };
        let until = Instant::now() + launch.deadline;
        loop {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(not_up(format!("it ended with {status}")));
            }
            if Instant::now() > until {
                return Err(not_up(format!("nothing after {:?}", launch.deadline)));
            }
            tokio::time::sleep(START_POLL).await;
        }
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process {
            pid: self.child.id(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A running process, measured through `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// The process's id.
    pub pid: u32,
}

impl Process {
    /// The CPU time that it has used so far, in user mode and in the kernel, to the clock tick (10 ms).
    ///
    /// # Errors
    /// When there is no such process.
    pub fn cpu_time(self) -> Result<Duration, Error> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = fs::read_to_string(&path).map_err(failed(&path))?;
        let ticks = cpu_ticks(&stat).ok_or_else(|| malformed(&path))?;
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn resident_bytes(self) -> Result<u64, Error> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).map_err(failed(&path))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
        kib.map(|kib: u64| kib * BYTES_A_KIB)
            .ok_or_else(|| malformed(&path))
    }
}

fn malformed(path: &str) -> Error {
    let source = io::Error::new(io::ErrorKind::InvalidData, "is not in the expected form");
    Error::Io {
        what: path.to_owned(),
        source,
    }
}

/// utime + stime: the 14th and 15th field, counted behind the command's name, which may have blanks in it.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_an_odd_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(168));
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_has_a_size_and_used_time() {
        let own = Process {
            pid: std::process::id(),
        };
        assert!(own.resident_bytes().unwrap() > 1 << 20);
        let before = own.cpu_time().unwrap();
        let mut spin = 1_u64;
        while own.cpu_time().unwrap() < before + Duration::from_millis(20) {
            spin = std::hint::black_box(spin.wrapping_mul(3));
        }
        assert!(Process { pid: u32::MAX }.cpu_time().is_err());
    }
}
