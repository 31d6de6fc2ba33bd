//! A process that may use a share of one processor and is stopped when it has: a slow machine of its own.
//!
//! Whether a second sink helps cannot be seen where one sink already takes what processors there are. So each gets a
//! small share: two of them have twice as much as one, and what they do with it shows whether anything that they share
//! holds them up. Control groups would do it too, but not everybody may make them.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::process::Process;

/// How often it is looked at what a process has used; the system counts in steps as long.
const POLL: Duration = Duration::from_millis(10);

/// What a process may use at once after it has used little.
const BURST: Duration = Duration::from_millis(50);

/// Lets a process use its share and no more, until dropped.
pub(super) struct Duty {
    process: Process,
    task: JoinHandle<()>,
}

impl Duty {
    /// The process goes on, and uses at most `percent` of one processor; 100 and more: what it likes.
    pub(super) fn of(process: Process, percent: u32) -> Duty {
        signal(process, Signal::CONT);
        let task = tokio::spawn(async move {
            if percent < 100 {
                keep(process, f64::from(percent) / 100.0).await;
            }
        });
        Duty { process, task }
    }
}

async fn keep(process: Process, share: f64) {
    let (mut credit, mut at) = (BURST.as_secs_f64(), Instant::now());
    // It has ended when its time cannot be read.
    let Ok(mut used) = process.cpu_time() else {
        return;
    };
    while let Ok(now) = process.cpu_time() {
        let earned = at.elapsed().as_secs_f64() * share;
        at = Instant::now();
        credit =
            (credit + earned).min(BURST.as_secs_f64()) - now.saturating_sub(used).as_secs_f64();
        used = now;
        let order = if credit < 0.0 {
            Signal::STOP
        } else {
            Signal::CONT
        };
        signal(process, order);
        sleep(POLL).await;
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.task.abort();
        signal(self.process, Signal::CONT);
    }
}

/// Stops the process until its duty begins.
pub(super) fn stop(process: Process) {
    signal(process, Signal::STOP);
}

/// One that has ended needs no signal.
fn signal(process: Process, signal: Signal) {
    if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    struct Busy(Child);

    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn a_busy_process_gets_its_share_of_a_processor_and_no_more() {
        let mut command = Command::new("sh");
        let busy = command
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null());
        let busy = Busy(busy.spawn().unwrap());
        let process = Process { pid: busy.0.id() };
        let duty = Duty::of(process, 10);
        let start = Instant::now();
        // However little a loaded machine gives it, it comes to this in the end.
        while process.cpu_time().unwrap() < Duration::from_millis(200) {
            sleep(POLL).await;
        }
        assert!(
            start.elapsed() > Duration::from_millis(1_000),
            "{:?}",
            start.elapsed()
        );
        drop(duty);
    }
}
