//! A process that runs for a share of the time and is stopped for the rest: a slower machine of its own.
//!
//! Whether a second sink helps cannot be seen where one sink already takes what processors there are. So each
//! runs in turn for a short part of each period: two of them have twice as much time as one, and what they do with it shows
//! whether anything else holds them up.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::process::Process;

/// How often a process runs.
pub(super) const PERIOD: Duration = Duration::from_millis(200);

/// Lets a process run only for its share, until dropped.
pub(super) struct Duty {
    process: Process,
    task: JoinHandle<()>,
}

impl Duty {
    /// The process goes on, and runs for `percent` of each period, beginning `offset` after it.
    pub(super) fn of(process: Process, percent: u32, offset: Duration) -> Duty {
        let running = if percent < 100 {
            PERIOD * percent / 100
        } else {
            PERIOD
        };
        let task = tokio::spawn(async move {
            let mut at = Instant::now() + offset;
            loop {
                sleep_until(at).await;
                signal(process, Signal::CONT);
                sleep_until(at + running).await;
                if running < PERIOD {
                    signal(process, Signal::STOP);
                }
                at += PERIOD;
            }
        });
        Duty { process, task }
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
