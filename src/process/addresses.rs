//! `<data_dir>/run/addresses.json`: where a running process listens, for scripts and tests that let it take free ports.
//! A sink without a gateway has `sink-addresses.json`, so that both may run in one directory.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Where a process listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// Tells a running process from one that was killed and could not remove its file.
    pid: u32,
    /// Where events are posted, if they are.
    pub(crate) gateway: Option<SocketAddr>,
    /// Where probes and metrics are.
    pub(crate) admin: SocketAddr,
}

impl Addresses {
    /// The addresses of this process.
    pub(crate) fn new(gateway: Option<SocketAddr>, admin: SocketAddr) -> Self {
        Self {
            pid: std::process::id(),
            gateway,
            admin,
        }
    }

    /// Writes the file whole: a reader sees it complete or not at all.
    ///
    /// # Errors
    /// The directory or the file cannot be written.
    pub(crate) fn write(&self, data_dir: &Path) -> Result<()> {
        let file = self.file(data_dir);
        let partial = file.with_extension("partial");
        let written = || {
            fs::create_dir_all(data_dir.join("run"))?;
            fs::write(&partial, serde_json::to_vec(self)?)?;
            fs::rename(&partial, &file)
        };
        written().with_context(|| format!("cannot write {}", file.display()))
    }

    /// Removes the file at the end of the process.
    pub(crate) fn remove(&self, data_dir: &Path) {
        let file = self.file(data_dir);
        if let Err(error) = fs::remove_file(&file) {
            tracing::warn!(%error, file = %file.display(), "cannot remove the addresses");
        }
    }

    fn file(&self, data_dir: &Path) -> PathBuf {
        file(data_dir, self.gateway.is_some())
    }
}

fn file(data_dir: &Path, gateway: bool) -> PathBuf {
    let name = if gateway {
        "addresses.json"
    } else {
        "sink-addresses.json"
    };
    data_dir.join("run").join(name)
}

/// Where a client on this machine can post events to the process that runs on a data directory, if one does.
pub(crate) fn running_gateway(data_dir: &Path) -> Option<SocketAddr> {
    let addresses: Addresses =
        serde_json::from_slice(&fs::read(file(data_dir, true)).ok()?).ok()?;
    addresses.gateway.map(reachable)
}

/// An address that a client on this machine can use.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
