//! The upkeep thread: writes down readers' progress, deletes passed segments, presses for space, sets gauges.

use std::{
    sync::{Arc, PoisonError, Weak, mpsc},
    time::Duration,
};

use super::state::Core;

/// Tells the upkeep thread to stop when it is dropped.
pub(super) type Stop = mpsc::SyncSender<()>;

/// Starts the thread. It holds the journal only while it works.
pub(super) fn start(core: &Arc<Core>) -> std::io::Result<Stop> {
    let (stop, stopped) = mpsc::sync_channel::<()>(1);
    let interval = Duration::from_millis(core.config.upkeep_interval_ms);
    let weak: Weak<Core> = Arc::downgrade(core);
    std::thread::Builder::new()
        .name("journal-upkeep".to_owned())
        .spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                let Some(core) = weak.upgrade() else { break };
                round(&core);
            }
        })?;
    Ok(stop)
}

/// Does everything once, unless the directory was let go. Rounds exclude each other.
pub(super) fn round(core: &Core) {
    let lock = core.lock.lock().unwrap_or_else(PoisonError::into_inner);
    if lock.is_none() {
        return;
    }
    for topic in core.topics.values() {
        if let Err(error) = topic.groups.persist() {
            tracing::warn!(%error, "cannot write down readers' progress; it is tried again");
        }
        let (mut depth, mut segments) = (0, 0);
        for log in &topic.partitions {
            core.reclaim(topic, log, false);
            if core.space.is_full() {
                log.queue.press();
            }
            let state = log.state();
            let floor = topic.groups.floor(log.index).max(state.first());
            depth += state.next.saturating_sub(floor);
            segments += state.segments.len();
        }
        core.metrics.set_depth(&topic.stream.name, depth, segments);
    }
    core.metrics.set_used(core.space.used_bytes());
}
