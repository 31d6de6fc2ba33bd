//! A proxy between two parties that breaks their connections as it is told to: what networks do.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How many bytes are passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How many connections there are at once; more wait.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a port that was given up is tried for.
const REBIND: Duration = Duration::from_millis(50);

/// What happens to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are passed on.
    Pass,
    /// Nobody listens.
    Refuse,
    /// They are passed on after this long.
    Delay(Duration),
    /// They are taken and go nowhere. What they belonged to never works again: when this is over, the next bytes on
    /// such a connection are answered by a reset, as by a machine that was started anew.
    Swallow(Swallowed),
}

/// Which bytes go nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swallowed {
    /// Requests and replies.
    Both,
    /// Replies alone: requests are carried out, and nobody hears of it.
    Replies,
}

#[derive(Clone)]
struct Orders {
    target: Arc<Mutex<Option<SocketAddr>>>,
    mode: watch::Receiver<Mode>,
    cuts: watch::Receiver<u64>,
}

/// A proxy on a port of its own. It ends when it is dropped.
pub(crate) struct Link {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl Link {
    /// Listens at `address`, port 0 for any, and passes everything on to `target`, once there is one.
    pub(crate) async fn open(address: &str, target: Option<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let target = Arc::new(Mutex::new(target));
        let (mode, mode_seen) = watch::channel(Mode::Pass);
        let (cuts, cuts_seen) = watch::channel(0);
        let orders = Orders {
            target: Arc::clone(&target),
            mode: mode_seen,
            cuts: cuts_seen,
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, address, orders));
        Ok(Self {
            address,
            target,
            mode,
            cuts,
            _accepting: accepting,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections lead from now on.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// What happens to bytes from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        if mode == Mode::Refuse {
            self.cut();
        }
    }

    /// Resets every connection.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, mut orders: Orders) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let refusing = *orders.mode.borrow_and_update() == Mode::Refuse;
        match (&listener, refusing) {
            (Some(_), true) => listener = None,
            (None, false) => match TcpListener::bind(address).await {
                Ok(bound) => listener = Some(bound),
                Err(_) => sleep(REBIND).await,
            },
            (None, true) => {
                if orders.mode.changed().await.is_err() {
                    return;
                }
            }
            (Some(bound), false) => tokio::select! {
                changed = orders.mode.changed() => if changed.is_err() { return },
                accepted = bound.accept(), if connections.len() < CONNECTIONS_MAX => {
                    if let Ok((client, _)) = accepted {
                        connections.spawn(connection(client, orders.clone()));
                    }
                }
                Some(_) = connections.join_next(), if connections.len() >= CONNECTIONS_MAX => {}
            },
        }
    }
}

async fn connection(mut client: TcpStream, mut orders: Orders) {
    orders.cuts.mark_unchanged();
    let target = *orders.target.lock().unwrap_or_else(PoisonError::into_inner);
    let server = match target {
        Some(target) => TcpStream::connect(target).await.ok(),
        None => None,
    };
    // A party that is down: the other one hears a reset, as it would hear a refusal.
    let Some(mut server) = server else {
        return reset(&client);
    };
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    let dead = AtomicBool::new(false);
    let ended = {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let requests = pump(client_reads, server_writes, false, &orders.mode, &dead);
        let replies = pump(server_reads, client_writes, true, &orders.mode, &dead);
        tokio::select! {
            passed = async { tokio::try_join!(requests, replies) } => passed.is_ok(),
            _ = orders.cuts.changed() => false,
        }
    };
    if !ended {
        reset(&client);
        reset(&server);
    }
}

/// Has the stream's end be a reset.
fn reset(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    replies: bool,
    mode: &watch::Receiver<Mode>,
    dead: &AtomicBool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await?;
        let mode = *mode.borrow();
        match mode {
            Mode::Swallow(Swallowed::Both) => dead.store(true, Ordering::Relaxed),
            Mode::Swallow(Swallowed::Replies) if replies => dead.store(true, Ordering::Relaxed),
            Mode::Delay(delay) => sleep(delay).await,
            _ => {}
        }
        if dead.load(Ordering::Relaxed) {
            // One that has gone, or bytes for one that no longer knows of them.
            if read == 0 || !matches!(mode, Mode::Swallow(_)) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if replies || mode == Mode::Swallow(Swallowed::Both) {
                continue;
            }
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..read]).await?;
    }
}
