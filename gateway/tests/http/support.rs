//! A running gateway and a client that says exactly what a test tells it to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use headgate_gateway::{Config, Gateway, Parts, SharedSources, Topics, clock, sources};
use headgate_schemas::registry::{Registry, SharedRegistry};
use headgate_stream::testing::memory::Memory;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Every wait of a test ends here: a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const ORDER: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["order_id", "items"],
    "properties": {
        "order_id": {"type": "string", "minLength": 1},
        "note": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["price"],
                "properties": {"price": {"type": "number", "minimum": 0}}
            }
        }
    }
}"#;

/// Anything goes.
const LOOSE: &str =
    r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}"#;

/// A gateway and what it writes to.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) memory: Memory,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: JoinHandle<()>,
    topics: Topics,
    _schemas: TempDir,
}

/// A gateway with the default settings but for what `change` changes.
pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Running {
    start_with(change, |_| {})
}

/// The same with other parts.
pub(crate) fn start_with(
    change: impl FnOnce(&mut Config),
    prepare: impl FnOnce(&mut Parts),
) -> Running {
    let memory = Memory::new(1);
    let dir = tempfile::tempdir().unwrap();
    for (event, schema) in [("order_completed", ORDER), ("loose", LOOSE)] {
        std::fs::create_dir(dir.path().join(event)).unwrap();
        std::fs::write(dir.path().join(event).join("1.json"), schema).unwrap();
    }
    let schemas = Registry::load(dir.path()).unwrap();
    let mut config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    change(&mut config);
    assert_eq!(config.problems(), vec![]);
    let mut parts = Parts {
        writer: memory.writer(),
        schemas: Arc::new(SharedRegistry::new(schemas)),
        sources: Arc::new(SharedSources::new(&sources::Config::new(), "/headgate").unwrap()),
        privacy: Default::default(),
        topics: Topics::default(),
        registry: prometheus::Registry::new(),
        checks: Vec::new(),
        notes: Vec::new(),
        clock: clock::system(),
    };
    prepare(&mut parts);
    let topics = parts.topics.clone();
    let gateway = Gateway::bind(config, parts).unwrap();
    let (addr, admin) = (gateway.addr(), gateway.admin_addr());
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(gateway.run(shutdown.clone()));
    Running {
        addr,
        admin,
        memory,
        shutdown,
        ended,
        topics,
        _schemas: dir,
    }
}

impl Running {
    /// The events that were written, as JSON.
    pub(crate) fn events(&self) -> Vec<Value> {
        let values = self.memory.values(&self.topics.events);
        values
            .iter()
            .map(|value| serde_json::from_slice(value).unwrap())
            .collect()
    }

    /// The bad events that were written, as JSON.
    pub(crate) fn bad_events(&self) -> Vec<Value> {
        let values = self.memory.values(&self.topics.bad_events);
        values
            .iter()
            .map(|value| serde_json::from_slice(value).unwrap())
            .collect()
    }

    /// Posts `body` to `/v1/events` on a connection of its own.
    pub(crate) async fn post(&self, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        self.post_to("/v1/events", headers, body).await
    }

    pub(crate) async fn post_to(&self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{headers}\r\n");
        let mut client = Client::connect(self.addr).await;
        client.write(head.as_bytes()).await;
        client.write(body).await;
        client.reply().await
    }

    /// The value of a series in `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let reply = get(self.admin, "/metrics").await;
        let text = reply.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a series in `/metrics` has a value.
    pub(crate) async fn metric_reaches(&self, series: &str, value: f64) {
        let reached = async {
            while self.metric(series).await != value {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect(series);
    }
}

/// GETs a path on a connection of its own.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> Reply {
    let mut client = Client::connect(addr).await;
    client
        .write(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .await;
    client.reply().await
}

/// A connection spoken to by hand.
pub(crate) struct Client {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).await.unwrap();
        Self {
            socket,
            unread: Vec::new(),
        }
    }

    /// Writes what can be written: a server that has answered may have closed.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.ok();
    }

    /// Reads one response.
    pub(crate) async fn reply(&mut self) -> Reply {
        tokio::time::timeout(PATIENCE, self.read_reply())
            .await
            .expect("a reply in time")
    }

    async fn read_reply(&mut self) -> Reply {
        let end = loop {
            let found = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            match found {
                Some(end) => break end,
                None => assert!(
                    self.fill().await,
                    "closed without a reply: {:?}",
                    self.unread
                ),
            }
        };
        let head = String::from_utf8(self.unread[..end].to_vec())
            .unwrap()
            .to_lowercase();
        self.unread.drain(..end + 4);
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.fill().await, "closed within a reply");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head,
            body: self.unread.drain(..length).collect(),
        }
    }

    /// Whether the server closes the connection without another word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let closed = async {
            loop {
                let mut buffer = vec![0; 1024];
                match self.socket.read(&mut buffer).await {
                    Ok(0) | Err(_) => break true,
                    Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
                }
            }
        };
        tokio::time::timeout(PATIENCE, closed)
            .await
            .unwrap_or(false)
    }

    async fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 16 << 10];
        let read = self.socket.read(&mut buffer).await.unwrap_or(0);
        self.unread.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error reply.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        assert!(
            json["error"]["message"]
                .as_str()
                .is_some_and(|m| !m.is_empty()),
            "{json}"
        );
        json["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
