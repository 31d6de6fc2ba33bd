//! A bar on a terminal while a run lasts.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ledger::Outcome;
use crate::load::Load;

const TICK: Duration = Duration::from_millis(200);

/// Whether a run shows how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A bar on standard error when that is a terminal, else nothing.
    Bar,
    /// Nothing.
    Quiet,
}

/// Returns when the run has no more requests in flight, and shows how it stands until then.
pub(crate) async fn watch(load: &Load, progress: Progress) {
    let target = match progress {
        Progress::Bar => ProgressDrawTarget::stderr(),
        Progress::Quiet => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(load.snapshot().scheduled), target);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} events  {msg}") {
        bar.set_style(style);
    }
    let mut ticks = tokio::time::interval(TICK);
    while !load.finished() {
        ticks.tick().await;
        let now = load.snapshot();
        bar.set_position(now.done);
        bar.set_message(format!(
            "{:.0}/s  p99 {:.1} ms  rejected {}  retry {}  unknown {}",
            now.rate_per_s,
            now.p99_ms,
            now.count(Outcome::Rejected),
            now.count(Outcome::Retry),
            now.count(Outcome::Unknown),
        ));
    }
    bar.finish_and_clear();
}
