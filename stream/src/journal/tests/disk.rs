//! Disks that are full or read-only, as the kernel has them: on small file systems, where one can be mounted.

use super::*;

/// A small file system of its own, unmounted at the end.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        let mounted = mount
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(
            std::process::Command::new("umount")
                .arg("-l")
                .arg(self.0.path())
                .status(),
        );
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_refuses_and_goes_on_once_there_is_space() {
    let Some(disk) = Tmpfs::mount("size=1m") else {
        return;
    };
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 600_000]).unwrap();
    let config = config(&disk.0.path().join("journal"));
    let journal = open(&config).unwrap();
    let writer = journal.writer();
    let mut taken: u8 = 0;
    let refusal = loop {
        match append(&journal, vec![taken; 50_000]).await {
            Ok(()) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(&refusal, Refusal::Unavailable(reason) if reason.contains("os error 28")));
    assert!(taken >= 2, "{taken}");
    std::fs::remove_file(&ballast).unwrap();
    until("ready again", || writer.health() == Health::Ready).await;
    append(&journal, vec![taken; 50_000]).await.unwrap();
    journal.close().await;
    let journal = open(&config).unwrap();
    let firsts: Vec<u8> = read(&journal, usize::from(taken) + 1)
        .await
        .iter()
        .map(|v| v[0])
        .collect();
    assert!(firsts.into_iter().eq(0..=taken));
    journal.close().await;
}

#[tokio::test]
async fn a_read_only_directory_is_named() {
    let Some(disk) = Tmpfs::mount("size=1m,ro") else {
        return;
    };
    let error = open(&config(&disk.0.path().join("journal"))).unwrap_err();
    assert!(
        matches!(error, Error::Io { .. }) && error.to_string().contains("journal"),
        "{error}"
    );
}
