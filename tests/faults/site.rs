//! What one run stands on: its gateways and sinks, and the proxies between all parties.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;

use crate::clock;
use crate::kind::{By, Kind, Role, Stream};
use crate::kinesis::Kinesis;
use crate::link::{Link, Mode};
use crate::mount::Disk;
use crate::node::{Node, headgate};
use crate::proxy::Proxy;
use crate::schedule::{Planned, Schedule};
use crate::servers::Servers;
use crate::settings;
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
    /// The ways to Kinesis, if that is the stream.
    pub(crate) kinesis: Option<Kinesis>,
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
        let kinesis = match schedule.stream {
            Stream::Kafka => None,
            Stream::Kinesis => {
                let endpoint = servers.kinesis("KINESIS_ENDPOINT")?;
                Some(Kinesis::open(endpoint, schedule).await?)
            }
        };
        let mut site = Self {
            servers,
            dir,
            gateways: Vec::new(),
            sinks: Vec::new(),
            kinesis,
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
        let stream = self.stream((role, n))?;
        let mut settings = settings::of(self.servers, &self.run()?, &stream, endpoint)?;
        if let Some(loads) = loads {
            settings += &warehouse::settings(self.servers, &self.run()?, loads, &node.dir)?;
        }
        fs::write(node.dir.join("headgate.toml"), settings)?;
        let full = |fault: &Planned| matches!(fault.kind, Kind::SpillFull(_)) && fault.node == n;
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

    /// A node's way to the stream: to each broker, or to Kinesis.
    pub(crate) fn links(&self, role: Role, node: usize) -> &[Link] {
        match &self.kinesis {
            Some(kinesis) => kinesis.links(role, node),
            None => self.servers.links(role, node),
        }
    }

    /// A node's settings of the stream.
    fn stream(&self, (role, node): (Role, usize)) -> Result<String> {
        let links = self.links(role, node).iter();
        let addresses: Vec<String> = links.map(|link| link.address().to_string()).collect();
        Ok(match (&self.kinesis, &addresses[..]) {
            (Some(_), [address]) => settings::kinesis(&self.run()?, &format!("http://{address}")),
            (Some(_), _) => bail!("a node has one way to Kinesis"),
            (None, brokers) => settings::kafka(&self.run()?, brokers),
        })
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
        self.kinesis.iter().for_each(Kinesis::heal);
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
        let stream = self.stream((Role::Gateway, 0))?;
        let endpoint = self.servers.s3("S3_ENDPOINT")?;
        let mut settings = settings::of(self.servers, &self.run()?, &stream, endpoint)?;
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
