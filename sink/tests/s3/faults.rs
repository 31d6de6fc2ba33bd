//! The S3 store and the commit log behind a proxy that breaks requests.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headgate_sink::{
    commit::Snapshot,
    store::{
        Error, Store,
        probe::{self, Probe},
        s3::{Config, S3},
    },
    testing::crowd,
};
use headgate_stream::testing::proxy::{Fault, Proxy, Request};

use crate::{
    LARGE_BYTES,
    server::{Server, seaweedfs},
    small_parts,
};

/// A store behind a proxy, with short waits, and the same store without it.
async fn behind_proxy(server: &Server) -> (S3, Proxy, S3) {
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let direct = small_parts(server.config());
    let config = Config {
        endpoint: Some(proxy.endpoint()),
        request_timeout_ms: 3_000,
        backoff_min_ms: 5,
        backoff_max_ms: 50,
        ..direct.clone()
    };
    (server.open(config).await, proxy, server.open(direct).await)
}

/// The fault for the first requests of that method, nothing for all others.
fn first(method: &'static str, times: u64, fault: Fault) -> impl FnMut(&Request) -> Fault {
    let mut left = times;
    move |request| {
        if request.method == method && left > 0 {
            left -= 1;
            return fault.clone();
        }
        Fault::None
    }
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn what_passes_is_tried_again_and_succeeds() {
    let server = seaweedfs().await;
    let (store, proxy, direct) = behind_proxy(&server).await;
    for (n, fault) in [
        Fault::Answer(500, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::Answer(429, "TooManyRequests"),
        Fault::Answer(409, "ConditionalRequestConflict"),
        Fault::Delay(Duration::from_millis(300)),
        Fault::Delay(Duration::from_secs(5)),
        Fault::CutBefore,
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("t/{n}");
        proxy.plan(first("PUT", 3, fault.clone()));
        let created = store.create(&path, "x".into()).await;
        // A delayed create that was given up takes effect later, and then says so.
        let late =
            matches!(created, Err(Error::AlreadyExists { .. })) && matches!(fault, Fault::Delay(_));
        assert!(created.is_ok() || late, "{fault:?}: {created:?}");
        assert_eq!(direct.read(&path).await.unwrap(), "x");
        proxy.plan(first("GET", 3, fault.clone()));
        assert_eq!(store.read(&path).await.unwrap(), "x", "{fault:?}");
        proxy.plan(first("GET", 3, fault.clone()));
        assert!(
            store.list("t/", "", 10).await.unwrap().len() > n,
            "{fault:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn a_create_whose_reply_is_lost_says_that_the_object_exists() {
    let server = seaweedfs().await;
    let (store, proxy, direct) = behind_proxy(&server).await;
    for (n, fault) in [
        Fault::CutAfter,
        Fault::AnswerAfter(500, "InternalError"),
        Fault::AnswerAfter(503, "SlowDown"),
        Fault::Truncate(20),
    ]
    .into_iter()
    .enumerate()
    {
        for (path, bytes) in [
            (format!("t/{n}"), 10),
            (format!("t/large-{n}"), 2 * LARGE_BYTES),
        ] {
            let bytes = vec![7_u8; bytes];
            let fault = fault.clone();
            let broken = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&broken);
            proxy.plan(move |request| {
                // A large object is created by the request that puts its parts together.
                let creates = request.method == "PUT" && !request.target.contains("partNumber")
                    || request.method == "POST" && request.target.contains("uploadId");
                if creates && count.fetch_add(1, Ordering::Relaxed) == 0 {
                    return fault.clone();
                }
                Fault::None
            });
            let created = store.create(&path, bytes.clone().into()).await;
            assert!(
                matches!(created, Err(Error::AlreadyExists { .. }) | Ok(())),
                "{created:?}"
            );
            assert!(broken.load(Ordering::Relaxed) > 0);
            assert!(direct.read(&path).await.unwrap() == bytes);
        }
    }
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn what_does_not_pass_fails_and_a_false_412_is_no_success() {
    let server = seaweedfs().await;
    let (store, proxy, direct) = behind_proxy(&server).await;
    proxy.plan(|_| Fault::Answer(503, "SlowDown"));
    let before = proxy.requests();
    let failed = store.create("t/x", "x".into()).await.unwrap_err();
    assert!(matches!(failed, Error::Failed { .. }), "{failed:?}");
    assert!(
        failed.to_string().contains("503 SlowDown") && failed.to_string().contains("8 tries"),
        "{failed}"
    );
    assert_eq!(proxy.requests() - before, 8);
    proxy.plan(|_| Fault::Answer(412, "PreconditionFailed"));
    let exists = store.create("t/x", "x".into()).await.unwrap_err();
    assert!(matches!(exists, Error::AlreadyExists { .. }), "{exists:?}");
    assert_eq!(direct.list("", "", 10).await.unwrap(), []);
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn a_reply_that_is_cut_short_is_never_taken_for_the_object() {
    let server = seaweedfs().await;
    let (store, proxy, direct) = behind_proxy(&server).await;
    let bytes = vec![7_u8; 100_000];
    direct.create("t/x", bytes.clone().into()).await.unwrap();
    for at in [0, 10, 300, 1_000, 50_000, 100_000] {
        proxy.plan(first("GET", 2, Fault::Truncate(at)));
        assert!(store.read("t/x").await.unwrap() == bytes, "{at}");
        proxy.plan(first("GET", 2, Fault::Truncate(at)));
        assert!(
            store.read_range("t/x", 1..99_999).await.unwrap() == bytes[1..99_999],
            "{at}"
        );
    }
}

/// SplitMix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn under_any_faults_each_commit_has_one_place_in_the_log() {
    let server = seaweedfs().await;
    for seed in 0..3 {
        let (store, proxy, direct) = behind_proxy(&server).await;
        let mut state = seed;
        proxy.plan(move |_| match draw(&mut state) % 100 {
            0..=4 => Fault::Answer(500, "InternalError"),
            5..=9 => Fault::Answer(503, "SlowDown"),
            10..=14 => Fault::CutBefore,
            15..=24 => Fault::CutAfter,
            25..=29 => Fault::AnswerAfter(500, "InternalError"),
            30..=31 => Fault::Answer(409, "ConditionalRequestConflict"),
            32..=35 => Fault::Truncate(30),
            36..=40 => Fault::Delay(Duration::from_millis(100)),
            _ => Fault::None,
        });
        // So many faults may well be too many for an operation, but they are no verdict on the store.
        while let Err(error) = Probe::default().run(&store, 0).await {
            assert!(
                matches!(error, probe::Error::Store(_)),
                "seed {seed}: {error}"
            );
        }
        let (sinks, commits) = (4, 20);
        let shared: Arc<dyn Store> = Arc::new(store);
        let crowd = crowd::commit(&shared, "events", sinks, commits, Duration::ZERO).await;
        println!("seed {seed}: {crowd:?}, {} requests", proxy.requests());
        let snapshot = Snapshot::read(&direct).await.unwrap();
        let files = snapshot.files("thing_1");
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(files.len() as u32, sinks * commits, "seed {seed}");
        assert_eq!(paths.len() as u32, sinks * commits, "seed {seed}");
    }
}
