//! Disks that are full or read-only, as the kernel has them: on small file systems, where one can be mounted.

use super::*;

/// A small file system of its own, unmounted at the end.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = as_root("mount")
            .args(["-t", "tmpfs", "-o", &format!("{options},mode=777"), "tmpfs"])
            .arg(dir.path())
            .output()
            .unwrap();
        let why = String::from_utf8_lossy(&mounted.stderr);
        assert!(
            mounted.status.success(),
            "needs root, or sudo without a password: {why}"
        );
        Self(dir)
    }
}

/// A command that only root may run.
fn as_root(program: &str) -> std::process::Command {
    if rustix::process::geteuid().is_root() {
        return std::process::Command::new(program);
    }
    let mut command = std::process::Command::new("sudo");
    command.args(["-n", program]);
    command
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(as_root("umount").arg("-l").arg(self.0.path()).status());
    }
}

#[tokio::test]
#[ignore = "mounts a small disk, as root"]
async fn a_disk_that_fills_up_refuses_and_goes_on_once_there_is_space() {
    let disk = Tmpfs::mount("size=1m");
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
#[ignore = "mounts a small disk, as root"]
async fn a_read_only_directory_is_named() {
    let disk = Tmpfs::mount("size=1m,ro");
    let error = open(&config(&disk.0.path().join("journal"))).unwrap_err();
    assert!(
        matches!(error, Error::Io { .. }) && error.to_string().contains("journal"),
        "{error}"
    );
}
