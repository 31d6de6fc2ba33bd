//! The S3 store on real servers.

#![allow(clippy::unwrap_used, reason = "this file is nothing but a test")]

mod encryption;
mod faults;
mod server;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use headgate_sink::{
    store::{
        Error, Store,
        probe::{self, Probe},
        s3::{Checksums, Config, S3},
    },
    testing::{conformance, crowd},
};

use self::server::{Server, seaweedfs};

/// Just above the threshold of uploads in parts, which is as low as S3 allows.
const LARGE_BYTES: usize = (5 << 20) + 1;

fn small_parts(config: Config) -> Config {
    Config {
        multipart_threshold_bytes: 5 << 20,
        part_bytes: 5 << 20,
        ..config
    }
}

struct Backend {
    store: S3,
}

impl conformance::Backend for Backend {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn interrupt_create(&self) -> BoxFuture<'_, u64> {
        Box::pin(async {
            for n in 0..3 {
                self.store
                    .begin_upload(&format!("t/{n}.parquet"))
                    .await
                    .unwrap();
            }
            3
        })
    }

    /// SeaweedFS looks at the condition first and puts the parts together then; Ceph does not look at all.
    fn large_creates_are_exclusive(&self) -> bool {
        false
    }

    fn large_bytes(&self) -> usize {
        2 * LARGE_BYTES
    }
}

async fn conforms(server: &Server, checksums: Checksums) {
    conformance::run(|| async {
        let config = Config {
            checksums,
            ..small_parts(server.config())
        };
        let store = server.open(config).await;
        Box::new(Backend { store }) as Box<dyn conformance::Backend>
    })
    .await;
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn seaweedfs_conforms() {
    conforms(&*seaweedfs().await, Checksums::WhenSupported).await;
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn seaweedfs_conforms_without_checksums() {
    conforms(&*seaweedfs().await, Checksums::WhenRequired).await;
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn ceph_conforms() {
    let server = tokio::task::spawn_blocking(|| Server::start("ceph.sh"))
        .await
        .unwrap();
    conforms(&server, Checksums::WhenRequired).await;
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn a_store_without_atomic_creates_is_refused_with_the_reason() {
    let server = Server::start("s3s.sh");
    let store = server.open(server.config()).await;
    let refused = Probe::default().run(&store, 0).await.unwrap_err();
    assert!(matches!(refused, probe::Error::Unfit { .. }), "{refused}");
    assert!(
        refused.to_string().contains("unfit for the commit log"),
        "{refused}"
    );
    println!("{refused}");
}

/// Waits until so many uploads in parts are under way.
async fn until_uploads(store: &S3, count: usize) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while store.uploads_left().await.unwrap() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("uploads begin and end");
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn a_create_that_is_dropped_aborts_its_upload() {
    let server = seaweedfs().await;
    let store = server.open(small_parts(server.config())).await;
    let bytes = vec![7; 20 * LARGE_BYTES];
    let create = store.create("t/dropped.parquet", bytes.into());
    tokio::select! {
        created = create => panic!("it was never under way: {created:?}"),
        () = until_uploads(&store, 1) => {}
    }
    until_uploads(&store, 0).await;
    assert_eq!(store.sweep_partial(i64::MAX).await.unwrap(), 0);
    assert_eq!(store.list("", "", 10).await.unwrap(), []);
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn what_will_not_work_fails_at_once_and_says_why() {
    let server = seaweedfs().await;
    let missing = Config {
        bucket: "no-such-bucket".into(),
        ..server.config()
    };
    let denied = S3::open_with_keys(server.config(), "headgate", "wrong")
        .await
        .unwrap();
    for (store, reason) in [
        (server.open(missing).await, "NoSuchBucket"),
        (denied, "403"),
    ] {
        let created = store.create("t/x", "x".into()).await.unwrap_err();
        assert!(matches!(&created, Error::Failed { .. }), "{created:?}");
        assert!(created.to_string().contains(reason), "{created}");
        assert!(!created.to_string().contains("tries"), "{created}");
        let read = store.read("t/x").await.unwrap_err();
        assert!(matches!(&read, Error::Failed { .. }), "{read:?}");
    }
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn many_sinks_commit_at_once() {
    let server = seaweedfs().await;
    for (sinks, commits) in [(1, 64), (8, 16), (64, 4)] {
        let store: Arc<dyn Store> = Arc::new(server.open(server.config()).await);
        let crowd = crowd::commit(&store, "events", sinks, commits, Duration::ZERO).await;
        let total = f64::from(sinks * commits);
        println!(
            "{sinks} sinks: {:.1} commits/s, {:.1} places taken a commit, slowest {:?}",
            total / crowd.elapsed.as_secs_f64(),
            crowd.taken as f64 / total,
            crowd.slowest
        );
        assert_eq!(crowd.failed, 0);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_within_the_deadline() {
    let config = Config {
        bucket: "b".into(),
        endpoint: Some("http://127.0.0.1:9".into()),
        path_style: true,
        operation_deadline_ms: 500,
        request_timeout_ms: 400,
        ..Config::default()
    };
    let store = S3::open_with_keys(config, "a", "b").await.unwrap();
    let begun = std::time::Instant::now();
    let error = store.read("t/x").await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(!format!("{store:?} {error}").contains("secret"));
}
