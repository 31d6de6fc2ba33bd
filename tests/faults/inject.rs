//! Carries a schedule's faults out.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock;
use crate::copies::{Lasted, now_ms};
use crate::kind::{Kind, Pair, Role};
use crate::link::{Link, Mode, Swallowed};
use crate::node::Node;
use crate::schedule::Planned;
use crate::site::Site;
use crate::{streams, warehouse};

/// How far a clock jumps, in s.
const HOUR_S: i64 = 3_600;

/// The fake strikes so often at most.
const WAREHOUSE_TIMES_MAX: u64 = 8;

/// Between two cuts of the same connections.
const CUT_INTERVAL: Duration = Duration::from_millis(700);

/// How many shards the events' stream gets while shards are split and merged, one after the other.
const SHARDS: [u64; 2] = [4, 3];

/// Waits for the fault's time, carries it out and heals it; returns how often it struck, and when it really was.
pub(crate) async fn inject(
    site: &Site<'_>,
    fault: &Planned,
    began: Instant,
) -> Result<(u64, Lasted)> {
    sleep_until(began + fault.at).await;
    let from = now_ms();
    let struck = strike(site, fault).await;
    let struck = struck.with_context(|| format!("while injecting: {}", fault.kind))?;
    Ok((struck, (from, now_ms())))
}

async fn strike(site: &Site<'_>, fault: &Planned) -> Result<u64> {
    match fault.kind {
        Kind::Kill(Role::Broker) => broker(site, fault, ("kill", "restart")).await,
        Kind::Pause(Role::Broker) => broker(site, fault, ("pause", "cont")).await,
        Kind::Kill(_) | Kind::Pause(_) | Kind::Roll(_) | Kind::Clock(_) => {
            on_processes(site, fault).await
        }
        Kind::Cut(_)
        | Kind::Delay(_)
        | Kind::HalfOpen(_)
        | Kind::Away(_)
        | Kind::SpillFull(_)
        | Kind::WarehouseAway => on_connections(site, fault).await,
        Kind::RecordsFail
        | Kind::RepliesLost
        | Kind::IteratorsExpire
        | Kind::WritesThrottled
        | Kind::ReadsThrottled
        | Kind::KinesisErrors => {
            let kinesis = site.kinesis.as_ref();
            let kinesis = kinesis.context("a fault of Kinesis, which is not there")?;
            kinesis.faults.begin(fault.kind);
            sleep(fault.lasts).await;
            Ok(kinesis.faults.end(fault.kind))
        }
        Kind::Reshard => {
            let [first, second] = SHARDS;
            streams::reshard(site.servers, &site.run()?, first).await?;
            sleep(fault.lasts).await;
            streams::reshard(site.servers, &site.run()?, second).await?;
            Ok(SHARDS.len() as u64)
        }
        Kind::StoreErrors
        | Kind::StoreSlowDown
        | Kind::StoreExists
        | Kind::StoreUnclear
        | Kind::StoreSlow => {
            site.store.begin(fault.kind);
            sleep(fault.lasts).await;
            Ok(site.store.end(fault.kind))
        }
        Kind::WarehouseReplies
        | Kind::WarehouseThrottles
        | Kind::WarehouseSession
        | Kind::WarehouseConflicts => {
            let by = site
                .warehouse
                .context("a fault of a warehouse that is not there")?;
            let times = 1 + fault.chance % WAREHOUSE_TIMES_MAX;
            let rule = warehouse::strike(site.servers, by, fault.kind, times).await?;
            site.rules.lock().await.push((*fault, rule));
            // How often it strikes is known in the end.
            Ok(0)
        }
    }
}

async fn broker(
    site: &Site<'_>,
    fault: &Planned,
    (down, up): (&'static str, &'static str),
) -> Result<u64> {
    let broker = || vec![(fault.node + 1).to_string()];
    site.servers.kafka(down, broker()).await?;
    sleep(fault.lasts).await;
    site.servers.kafka(up, broker()).await?;
    Ok(1)
}

async fn on_processes(site: &Site<'_>, fault: &Planned) -> Result<u64> {
    match fault.kind {
        Kind::Kill(role) => node(site, role, fault.node)?.kill_for(fault.lasts).await?,
        Kind::Pause(role) => node(site, role, fault.node)?.pause_for(fault.lasts).await?,
        Kind::Roll(role) => {
            let nodes = nodes(site, role);
            for node in nodes {
                node.restart(fault.lasts).await?;
            }
            return Ok(nodes.len() as u64);
        }
        Kind::Clock(role) => {
            let file = node(site, role, fault.node)?.clock();
            let ahead = fault.chance.is_multiple_of(2);
            clock::set(&file, if ahead { HOUR_S } else { -HOUR_S })?;
            sleep(fault.lasts).await;
            clock::set(&file, 0)?;
        }
        kind => bail!("{kind} is no fault of a process"),
    }
    Ok(1)
}

async fn on_connections(site: &Site<'_>, fault: &Planned) -> Result<u64> {
    let lasts = fault.lasts;
    match fault.kind {
        Kind::Cut(pair) => return Ok(cut(&links(site, pair, fault), lasts).await),
        Kind::Delay(pair) => {
            // From what is hardly felt to what is longer than most deadlines are patient.
            let delay = Duration::from_millis(20 << (fault.chance % 7));
            hold(&links(site, pair, fault), Mode::Delay(delay), lasts).await;
        }
        Kind::HalfOpen(pair) => {
            let swallowed = match fault.chance % 2 {
                0 => Swallowed::Both,
                _ => Swallowed::Replies,
            };
            let mode = Mode::Swallow(swallowed);
            hold(&links(site, pair, fault), mode, lasts).await;
        }
        Kind::Away(_) => {
            let gateways = 0..site.gateways.len();
            let links = gateways.flat_map(|n| site.links(Role::Gateway, n));
            let links: Vec<&Link> = links.collect();
            hold(&links, Mode::Refuse, lasts).await;
        }
        Kind::SpillFull(_) => {
            let gateway = node(site, Role::Gateway, fault.node)?;
            let filler = gateway.dir.join("data/filler");
            fill(&filler)?;
            let links: Vec<&Link> = site.links(Role::Gateway, fault.node).iter().collect();
            hold(&links, Mode::Refuse, lasts).await;
            fs::remove_file(&filler)?;
        }
        Kind::WarehouseAway => {
            let links: Vec<&Link> = site.warehouse_links.iter().collect();
            hold(&links, Mode::Refuse, lasts).await;
        }
        kind => bail!("{kind} is no fault of connections"),
    }
    Ok(1)
}

/// Fills the disk that the file is on.
fn fill(filler: &Path) -> Result<()> {
    let mut file = File::create(filler)?;
    let chunk = vec![0; 64 << 10];
    loop {
        match file.write_all(&chunk) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn nodes<'a>(site: &'a Site<'_>, role: Role) -> &'a [Node] {
    match role {
        Role::Gateway => &site.gateways,
        _ => &site.sinks,
    }
}

fn node<'a>(site: &'a Site<'_>, role: Role, n: usize) -> Result<&'a Node> {
    nodes(site, role)
        .get(n)
        .context("a schedule names a node that is not there")
}

/// The proxies between a pair that a fault strikes: of Kafka's brokers either one or all.
fn links<'a>(site: &'a Site<'_>, pair: Pair, fault: &Planned) -> Vec<&'a Link> {
    let stream = |role| -> Vec<&'a Link> {
        let links = site.links(role, fault.node);
        let brokers = links.len() > 1;
        match usize::try_from(fault.chance / 7 % 6) {
            Ok(broker) if brokers && broker < 3 => links.iter().skip(broker).take(1).collect(),
            _ => links.iter().collect(),
        }
    };
    match pair {
        Pair::ClientGateway => {
            let gateway = site.gateways.get(fault.node);
            gateway
                .and_then(|node| node.link.as_deref())
                .into_iter()
                .collect()
        }
        Pair::GatewayStream(_) => stream(Role::Gateway),
        Pair::SinkStream(_) => stream(Role::Sink),
        Pair::SinkStore => site.store_links.get(fault.node).into_iter().collect(),
        Pair::SinkWarehouse => site.warehouse_links.get(fault.node).into_iter().collect(),
    }
}

async fn hold(links: &[&Link], mode: Mode, lasts: Duration) {
    links.iter().for_each(|link| link.set(mode));
    sleep(lasts).await;
    links.iter().for_each(|link| link.set(Mode::Pass));
}

async fn cut(links: &[&Link], lasts: Duration) -> u64 {
    let end = Instant::now() + lasts;
    let mut cuts = 0;
    while Instant::now() < end {
        links.iter().for_each(|link| link.cut());
        cuts += 1;
        sleep(CUT_INTERVAL).await;
    }
    cuts
}
