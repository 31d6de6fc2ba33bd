//! Kafka with three brokers or a server of Kinesis, SeaweedFS and the fake of Redshift, started once for all seeds of a lane, and
//! the proxies in front of each broker that every node has to itself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tokio::task::spawn_blocking;

use crate::kind::{Role, Stream};
use crate::link::{Link, Mode};
use crate::schedule::NODES_MAX;

/// The servers of all seeds. They are stopped when they are dropped.
pub(crate) struct Servers {
    /// Kafka, or Kinesis.
    stream: Service,
    s3: Service,
    /// The fake of Redshift, which reads from the S3 server: it is stopped before that.
    redshift: Option<Service>,
    /// By role and node, one for each broker.
    links: HashMap<String, Vec<Link>>,
}

impl Servers {
    /// Starts them, their data below `dir`.
    pub(crate) async fn start(dir: &Path, stream: Stream, warehouse: bool) -> Result<Self> {
        let names: Vec<String> = [Role::Gateway, Role::Sink]
            .into_iter()
            .flat_map(|role| (0..NODES_MAX).map(move |node| listener(role, node)))
            .collect();
        let mut arguments = vec![NODES_MAX.to_string()];
        arguments.extend(names.iter().cloned());
        let starting = match stream {
            Stream::Kafka => Service::start("kafka.sh", dir.join("kafka"), arguments),
            Stream::Kinesis => Service::start("kinesis.sh", dir.join("kinesis"), Vec::new()),
        };
        let s3 = Service::start("seaweedfs.sh", dir.join("seaweedfs"), Vec::new());
        let (started, s3) = tokio::try_join!(starting, s3)?;
        let redshift = match warehouse {
            true => {
                let s3_dir = vec![s3.dir.display().to_string()];
                Some(Service::start("redshift.sh", dir.join("redshift"), s3_dir).await?)
            }
            false => None,
        };
        let links = match stream {
            Stream::Kafka => links_of_brokers(&started, names).await?,
            // A run has proxies of its own.
            Stream::Kinesis => HashMap::new(),
        };
        Ok(Self {
            stream: started,
            s3,
            redshift,
            links,
        })
    }

    /// A node's way to each broker.
    pub(crate) fn links(&self, role: Role, node: usize) -> &[Link] {
        self.links
            .get(&listener(role, node))
            .map_or(&[], Vec::as_slice)
    }

    /// A setting of the S3 server.
    pub(crate) fn s3(&self, name: &str) -> Result<&str> {
        self.s3.setting(name)
    }

    /// A setting of the fake of Redshift.
    pub(crate) fn redshift(&self, name: &str) -> Result<&str> {
        let redshift = self.redshift.as_ref().context("no seed has a warehouse")?;
        redshift.setting(name)
    }

    /// A setting of Kinesis.
    pub(crate) fn kinesis(&self, name: &str) -> Result<&str> {
        self.stream.setting(name)
    }

    /// `kafka.sh COMMAND DIR ARGUMENT...`
    pub(crate) async fn kafka(&self, command: &'static str, arguments: Vec<String>) -> Result<()> {
        let (script, dir) = (self.stream.script.clone(), self.stream.dir.clone());
        spawn_blocking(move || run(&script, command, &dir, &arguments).map(drop)).await?
    }

    /// Heals every way to Kafka.
    pub(crate) fn heal(&self) {
        for link in self.links.values().flatten() {
            link.set(Mode::Pass);
        }
    }
}

/// Proxies where Kafka tells its clients to come.
async fn links_of_brokers(
    kafka: &Service,
    names: Vec<String>,
) -> Result<HashMap<String, Vec<Link>>> {
    let mut links = HashMap::new();
    for name in names {
        let outside = kafka.addresses(&format!("KAFKA_{name}"))?;
        let behind = kafka.addresses(&format!("KAFKA_{name}_BEHIND"))?;
        let mut opened = Vec::new();
        for (outside, behind) in outside.into_iter().zip(behind) {
            let link = Link::open(&outside.to_string(), Some(behind)).await;
            opened.push(link.with_context(|| format!("cannot listen at {outside}"))?);
        }
        links.insert(name, opened);
    }
    Ok(links)
}

fn listener(role: Role, node: usize) -> String {
    let letter = if role == Role::Gateway { 'G' } else { 'S' };
    format!("{letter}{}", node + 1)
}

/// A server that a script of tests/services runs.
struct Service {
    script: PathBuf,
    dir: PathBuf,
    settings: HashMap<String, String>,
}

impl Service {
    async fn start(script: &'static str, dir: PathBuf, arguments: Vec<String>) -> Result<Self> {
        let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services");
        let mut service = Self {
            script: services.join(script),
            dir,
            settings: HashMap::new(),
        };
        let (script, dir) = (service.script.clone(), service.dir.clone());
        let printed = spawn_blocking(move || run(&script, "start", &dir, &arguments)).await??;
        let settings = printed.lines().filter_map(|line| line.split_once('='));
        service.settings = settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(service)
    }

    fn setting(&self, name: &str) -> Result<&str> {
        let value = self.settings.get(name).map(String::as_str);
        value.with_context(|| format!("no {name} from {}", self.script.display()))
    }

    fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>> {
        let parse = |text: &str| text.parse().with_context(|| format!("{name}: {text}"));
        self.setting(name)?.split(',').map(parse).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = run(&self.script, "stop", &self.dir, &[]) {
            eprintln!("{error:#}");
        }
    }
}

fn run(script: &Path, command: &str, dir: &Path, arguments: &[String]) -> Result<String> {
    let output = Command::new(script)
        .arg(command)
        .arg(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} does not run", script.display()))?;
    ensure!(
        output.status.success(),
        "{} {command}: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
