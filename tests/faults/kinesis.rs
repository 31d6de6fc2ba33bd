//! A run's way to Kinesis: a proxy in front of it that answers as Kinesis does when it does not answer as it should, and before
//! that one for each node, whose connections break.

use std::net::SocketAddr;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::Value;

use crate::chance::Chance;
use crate::kind::{Kind, Role};
use crate::link::{Link, Mode};
use crate::proxy::{Edit, Fault, Proxy, Request};
use crate::puts::{FAILED, THROTTLED, some_fail};
use crate::schedule::Schedule;

/// What Kinesis says of an iterator that is five minutes old.
const EXPIRED: &str = "ExpiredIteratorException";

/// What Kinesis says when it is asked about streams too often.
const ASKED_TOO_OFTEN: &str = "LimitExceededException";

/// No more records of Kinesis come at once.
pub(crate) const PAGE_RECORDS: u64 = 60;

/// A run's proxies in front of Kinesis.
pub(crate) struct Kinesis {
    pub(crate) faults: Arc<KinesisFaults>,
    gateways: Vec<Link>,
    sinks: Vec<Link>,
    _proxy: Proxy,
}

impl Kinesis {
    /// The proxies of the schedule's nodes in front of the server there.
    pub(crate) async fn open(endpoint: &str, schedule: &Schedule) -> Result<Self> {
        let proxy = Proxy::start(endpoint).await?;
        let faults = Arc::new(KinesisFaults::new(schedule.seed));
        let plan = Arc::clone(&faults);
        proxy.plan(move |request| match plan.decide(request) {
            Fault::None => small_page(request),
            fault => fault,
        });
        let behind: SocketAddr = proxy.endpoint().trim_start_matches("http://").parse()?;
        let mut links = Vec::new();
        for _ in 0..schedule.gateways + schedule.sinks {
            links.push(Link::open("127.0.0.1:0", Some(behind)).await?);
        }
        let sinks = links.split_off(schedule.gateways);
        Ok(Self {
            faults,
            gateways: links,
            sinks,
            _proxy: proxy,
        })
    }

    /// A node's way to Kinesis.
    pub(crate) fn links(&self, role: Role, node: usize) -> &[Link] {
        let links = match role {
            Role::Gateway => &self.gateways,
            _ => &self.sinks,
        };
        links.get(node).map_or(&[], slice::from_ref)
    }

    /// Heals every way to Kinesis.
    pub(crate) fn heal(&self) {
        for link in self.gateways.iter().chain(&self.sinks) {
            link.set(Mode::Pass);
        }
    }
}

/// The faults of a run's Kinesis, decided on for each request.
pub(crate) struct KinesisFaults(Mutex<State>);

struct State {
    /// What is under way, and how many requests it has met.
    active: Vec<(Kind, u64)>,
    chance: Chance,
}

impl KinesisFaults {
    fn new(seed: u64) -> Self {
        Self(Mutex::new(State {
            active: Vec::new(),
            chance: Chance(seed),
        }))
    }

    /// Kinesis has this fault from now on.
    pub(crate) fn begin(&self, kind: Kind) {
        self.state().active.push((kind, 0));
    }

    /// Kinesis has this fault no more; returns how many requests it has met.
    pub(crate) fn end(&self, kind: Kind) -> u64 {
        let mut state = self.state();
        let at = state.active.iter().position(|(active, _)| *active == kind);
        at.map_or(0, |at| state.active.remove(at).1)
    }

    /// What happens to a request.
    fn decide(&self, request: &Request) -> Fault {
        let State { active, chance } = &mut *self.state();
        for (kind, met) in active {
            let fault = meet(*kind, request, chance);
            if !matches!(fault, Fault::None) {
                *met += 1;
                return fault;
            }
        }
        Fault::None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is read comes in small pages, as it may: the server hands a megabyte out in a third of a second, in which it does nothing
/// else, and who waits for it gives up and asks again.
fn small_page(request: &Request) -> Fault {
    let asked = serde_json::from_slice::<Value>(&request.body).ok();
    let Some(mut asked) = asked.filter(|_| request.operation == "GetRecords") else {
        return Fault::None;
    };
    asked["Limit"] = PAGE_RECORDS.into();
    Fault::Edit(Edit {
        body: asked.to_string().into(),
        reply: Arc::new(<[u8]>::to_vec),
    })
}

fn meet(kind: Kind, request: &Request, chance: &mut Chance) -> Fault {
    let percent = chance.below(100);
    let operation = request.operation.as_str();
    match (kind, operation) {
        (Kind::RecordsFail, "PutRecords") => {
            let failed = some_fail(request, |_| match chance.below(5) {
                0 => Some(THROTTLED),
                1 => Some(FAILED),
                _ => None,
            });
            failed.unwrap_or(Fault::None)
        }
        (Kind::RepliesLost, "PutRecords") if percent < 20 => Fault::CutAfter,
        (Kind::RepliesLost, "PutRecords") if percent < 40 => Fault::AnswerAfter(500, FAILED),
        (Kind::IteratorsExpire, "GetRecords") if percent < 50 => Fault::Answer(400, EXPIRED),
        (Kind::WritesThrottled, "PutRecords") if percent < 50 => Fault::Answer(400, THROTTLED),
        (Kind::ReadsThrottled, "GetRecords" | "GetShardIterator") if percent < 50 => {
            Fault::Answer(400, THROTTLED)
        }
        (Kind::ReadsThrottled, "ListShards" | "DescribeStreamSummary") if percent < 50 => {
            Fault::Answer(400, ASKED_TOO_OFTEN)
        }
        (Kind::KinesisErrors, _) if percent < 50 => Fault::Answer(500, FAILED),
        _ => Fault::None,
    }
}
