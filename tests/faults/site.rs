//! What one run stands on: its gateways and sinks, and the proxies between all parties.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;

use crate::clock;
use crate::link::{Link, Mode};
use crate::mount::Disk;
use crate::node::{Node, headgate};
use crate::proxy::Proxy;
use crate::schedule::{By, Kind, Planned, Role, SESSION_MS, STORE_REQUEST_MS, Schedule};
use crate::servers::Servers;
use crate::store::StoreFaults;
use crate::warehouse;

/// The disk of a gateway whose disk is to be full.
const DISK_MIB: u32 = 64;

/// A run's nodes and proxies; all of them end when it is dropped.
pub(crate) struct Site<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) dir: PathBuf,
    pub(crate) gateways: Vec<Node>,
    pub(crate) sinks: Vec<Node>,
    /// Each sink's way to the store.
    pub(crate) store_links: Vec<Link>,
    /// Each sink's way to the warehouse, if there is one.
    pub(crate) warehouse_links: Vec<Link>,
    pub(crate) warehouse: Option<By>,
    /// The fake's rules, by the faults that they are of.
    pub(crate) rules: tokio::sync::Mutex<Vec<(Planned, u64)>>,
    pub(crate) store: Arc<StoreFaults>,
    _store_proxy: Proxy,
}

impl<'a> Site<'a> {
    /// Sets everything up and starts nothing.
    pub(crate) async fn new(
        servers: &'a Servers,
        dir: PathBuf,
        schedule: &Schedule,
    ) -> Result<Self> {
        let proxy = Proxy::start(servers.s3("S3_ENDPOINT")?).await?;
        let store = Arc::new(StoreFaults::new(schedule.seed));
        let plan = Arc::clone(&store);
        proxy.plan(move |request| plan.decide(request));
        let behind = proxy.endpoint().trim_start_matches("http://").parse()?;
        let mut site = Self {
            servers,
            dir,
            gateways: Vec::new(),
            sinks: Vec::new(),
            store_links: Vec::new(),
            warehouse_links: Vec::new(),
            warehouse: schedule.warehouse,
            rules: tokio::sync::Mutex::default(),
            store,
            _store_proxy: proxy,
        };
        if schedule.warehouse.is_some() {
            warehouse::create(servers, &site.run()?).await?;
        }
        for n in 0..schedule.gateways {
            let link = Arc::new(Link::open("127.0.0.1:0", None).await?);
            let endpoint = servers.s3("S3_ENDPOINT")?.to_owned();
            let node = site.node(schedule, (Role::Gateway, n), (&endpoint, None), Some(link))?;
            site.gateways.push(node);
        }
        for n in 0..schedule.sinks {
            let link = Link::open("127.0.0.1:0", Some(behind)).await?;
            let endpoint = format!("http://{}", link.address());
            let mut loads = None;
            if let Some(by) = schedule.warehouse {
                let behind = warehouse::address(servers, by)?;
                let link = Link::open("127.0.0.1:0", Some(behind)).await?;
                loads = Some((by, link.address()));
                site.warehouse_links.push(link);
            }
            let node = site.node(schedule, (Role::Sink, n), (&endpoint, loads), None)?;
            site.store_links.push(link);
            site.sinks.push(node);
        }
        Ok(site)
    }

    fn node(
        &self,
        schedule: &Schedule,
        (role, n): (Role, usize),
        (endpoint, loads): (&str, Option<(By, SocketAddr)>),
        link: Option<Arc<Link>>,
    ) -> Result<Node> {
        let name = format!("{role}-{}", n + 1);
        let mut node = Node {
            role,
            dir: self.dir.join(&name),
            name,
            environment: credentials(self.servers)?,
            link,
            process: tokio::sync::Mutex::new(None),
            disk: None,
        };
        fs::create_dir_all(&node.dir)?;
        let bootstrap = self.servers.bootstrap(role, n);
        let mut settings = settings(self.servers, &self.run()?, &bootstrap, endpoint)?;
        if let Some(loads) = loads {
            settings += &warehouse::settings(self.servers, &self.run()?, loads, &node.dir)?;
        }
        fs::write(node.dir.join("headgate.toml"), settings)?;
        let full = |fault: &Planned| fault.kind == Kind::SpillFull && fault.node == n;
        if role == Role::Gateway && schedule.faults.iter().any(full) {
            node.disk = Some(Disk::mount(&node.dir.join("data"), DISK_MIB));
        }
        let clock = |fault: &Planned| fault.kind == Kind::Clock(role) && fault.node == n;
        if schedule.faults.iter().any(clock) {
            node.environment.extend(clock::environment(&node.clock())?);
        }
        Ok(node)
    }

    /// What keeps this run apart from others on the same servers.
    pub(crate) fn run(&self) -> Result<String> {
        let name = self.dir.file_name().and_then(OsStr::to_str);
        Ok(name.context("a run's directory has a name")?.to_owned())
    }

    /// Starts every node.
    pub(crate) async fn start(&self) -> Result<()> {
        try_join_all(self.nodes().map(Node::start)).await.map(drop)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.gateways.iter().chain(&self.sinks)
    }

    /// Ends all faults of the network and the store.
    pub(crate) fn heal(&self) {
        self.servers.heal();
        let clients = self.gateways.iter().filter_map(|node| node.link.as_deref());
        for link in clients
            .chain(&self.store_links)
            .chain(&self.warehouse_links)
        {
            link.set(Mode::Pass);
        }
    }

    /// A command that reads and writes the store and the warehouse without a proxy.
    pub(crate) fn client(&self) -> Result<Command> {
        let dir = self.dir.join("client");
        fs::create_dir_all(&dir)?;
        let bootstrap = self.servers.bootstrap(Role::Gateway, 0);
        let endpoint = self.servers.s3("S3_ENDPOINT")?;
        let mut settings = settings(self.servers, &self.run()?, &bootstrap, endpoint)?;
        if let Some(by) = self.warehouse {
            let direct = (by, warehouse::address(self.servers, by)?);
            settings += &warehouse::settings(self.servers, &self.run()?, direct, &dir)?;
        }
        fs::write(dir.join("headgate.toml"), settings)?;
        let mut command = headgate(&dir);
        command.envs(credentials(self.servers)?);
        Ok(command)
    }
}

fn credentials(servers: &Servers) -> Result<Vec<(String, String)>> {
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
        .into_iter()
        .map(|name| Ok((name.to_owned(), servers.s3(name)?.to_owned())))
        .collect()
}

/// The settings of a run's nodes: as they would be, but less patient, so that what is waited out is waited out soon.
fn settings(servers: &Servers, run: &str, bootstrap: &[String], endpoint: &str) -> Result<String> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/events");
    let bucket = servers.s3("S3_BUCKET")?;
    let (operation_ms, store_ms) = (3 * STORE_REQUEST_MS, 4 * STORE_REQUEST_MS);
    Ok(format!(
        r#"[gateway]
listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"

[schemas]
dir = {schemas:?}

[stream]
kind = "kafka"

[kafka]
bootstrap_servers = {bootstrap:?}
group = "{run}"
session_timeout_ms = {SESSION_MS}
produce_deadline_ms = 3000
request_deadline_ms = 3000
metadata_interval_ms = 1000
probe_interval_ms = 200
revoke_wait_ms_max = 1000
commit_interval_ms = 500
topics.partitions = 6
properties."socket.timeout.ms" = "4000"

[store]
kind = "s3"

[s3]
bucket = "{bucket}"
prefix = "{run}"
endpoint = "{endpoint}"
path_style = true
request_timeout_ms = {STORE_REQUEST_MS}
connect_timeout_ms = 1000
operation_deadline_ms = {operation_ms}
backoff_max_ms = 1000

[sink]
batch_age_max_ms = 500
checkpoint_commits = 8
store_timeout_ms = {store_ms}
retry_pause_max_ms = 1000
"#
    ))
}
