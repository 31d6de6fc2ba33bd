//! Small disks, to be filled.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk, unmounted when it is dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts an empty disk of so many MiB there.
    ///
    /// # Panics
    /// It cannot be mounted: this needs root, or sudo without a password.
    pub(crate) fn mount(at: &Path, mib: u32) -> Self {
        std::fs::create_dir_all(at).expect("a directory");
        let mounted = as_root("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={mib}m,mode=777"),
                "tmpfs",
            ])
            .arg(at)
            .output()
            .expect("mount runs");
        assert!(
            mounted.status.success(),
            "needs root, or sudo without a password: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self(at.to_owned())
    }
}

/// A command that only root may run.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazy: a process that was killed this moment may still hold a file.
        drop(as_root("umount").arg("-l").arg(&self.0).status());
    }
}
