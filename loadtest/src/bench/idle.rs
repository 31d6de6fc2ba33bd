//! What connections cost that do nothing.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::process::settled;
use super::{Error, Setup, process, track_event};

/// Connections opened at the same time.
const OPENING: u32 = 64;
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Files that a process needs besides its connections.
const OTHER_FILES: u64 = 256;
const REPLY_BYTES_MAX: usize = 4_096;
/// A request that any server answers and that leaves the connection open.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

/// How idle connections are measured.
#[derive(Debug, Clone)]
pub struct Idle {
    /// Connections, each of which has had one reply. Default 10,000.
    pub connections: u32,
}

impl Default for Idle {
    fn default() -> Idle {
        Idle {
            connections: 10_000,
        }
    }
}

/// What idle connections cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct IdleCost {
    /// Connections open at the end.
    pub connections: u32,
    /// The server's resident memory before the first, in bytes.
    pub before_bytes: u64,
    /// The server's resident memory with all of them open and idle for a while, in bytes.
    pub after_bytes: u64,
}

impl Idle {
    /// Starts a server, opens the connections, and measures the server's memory with all of them idle: when it has
    /// not changed for a second, or 10 seconds after the last reply, whichever comes first. A server may give back
    /// what an idle connection does not need, but not at once.
    ///
    /// # Errors
    /// [`Error`] when the server fails, refuses a connection or closes one, or too few files may be open.
    pub async fn run(&self, setup: &Setup) -> Result<IdleCost, Error> {
        allow_files(u64::from(self.connections))?;
        let schemas = setup.write_schemas("idle-schemas", &track_event())?;
        let server = setup.start("idle", &schemas).await?;
        let before_bytes = server.process().resident_bytes()?;
        let mut open = Vec::new();
        let mut left = self.connections;
        while left > 0 {
            let now = left.min(OPENING);
            let mut opening = JoinSet::new();
            for _ in 0..now {
                opening.spawn(connect(server.address()));
            }
            while let Some(opened) = opening.join_next().await {
                let opened = opened.map_err(|error| Error::Unanswered(error.to_string()))?;
                open.push(opened?);
            }
            left -= now;
        }
        let process = server.process();
        let after_bytes = settled(|| process.resident_bytes()).await?;
        for connection in &open {
            let mut byte = [0];
            // An open connection has nothing to read; a closed one reads as ended.
            if connection.try_read(&mut byte).is_ok() {
                return Err(Error::Unanswered(
                    "an idle connection was closed".to_owned(),
                ));
            }
        }
        Ok(IdleCost {
            connections: self.connections,
            before_bytes,
            after_bytes,
        })
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Error> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(REQUEST).await?;
        let mut reply = Vec::new();
        while !answered(&reply) && reply.len() < REPLY_BYTES_MAX {
            if stream.read_buf(&mut reply).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<TcpStream, std::io::Error>(stream)
    };
    match timeout(OPEN_TIMEOUT, exchange).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Error::Unanswered(error.to_string())),
        Err(_) => Err(Error::Unanswered("no reply in time".to_owned())),
    }
}

/// Whether a reply is there whole: its head, and as much body as the head says.
fn answered(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().parse::<usize>();
        if name.eq_ignore_ascii_case("content-length") {
            value.ok()
        } else {
            None
        }
    });
    body.len() >= length.unwrap_or(0)
}

/// Raises the limit on open files, which the server inherits, as far as it must be.
fn allow_files(connections: u64) -> Result<(), Error> {
    let needed = connections + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(allowed) = limit.maximum.filter(|allowed| *allowed < needed) {
        return Err(Error::OpenFiles {
            asked: connections,
            allowed,
        });
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    let what = "raising the limit on open files";
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| Error::Process(process::failed(what)(error.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_when_its_body_is() {
        assert!(!answered(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n"
        ));
        assert!(!answered(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{"
        ));
        assert!(answered(
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
        ));
        assert!(answered(b"HTTP/1.1 204 No Content\r\n\r\n"));
    }
}
