//! The task that tells the other readers that this one lives, and looks what there is: members, shards, and how far the
//! shards have landed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{lineage::Lineage, position, read_config::Read, read_metrics::Metrics, source::Source};
use crate::{
    log::{Partition, Position, StreamId},
    share::{Board, BoardError, members::Members},
};

/// How long what the others see of a reader that leaves may take to be cleared away.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// What there is, as far as this reader can tell.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// How often the board was used with success; 0: who lives is not known.
    pub(super) met: u64,
    pub(super) alive: BTreeSet<String>,
    pub(super) shards: Lineage,
    /// Shards that have landed to their ends, by the commit log.
    pub(super) finished: BTreeSet<Partition>,
    /// The stream was deleted and made anew.
    pub(super) recreated: bool,
    /// Why looking has failed, if it has since it last succeeded.
    pub(super) trouble: Option<String>,
}

/// A reader's pulse.
pub(super) struct Pulse {
    pub(super) source: Source,
    pub(super) stream: StreamId,
    pub(super) board: Arc<dyn Board>,
    pub(super) member: String,
    pub(super) settings: Read,
    pub(super) metrics: Metrics,
    /// The shards as they were listed first.
    pub(super) shards: Lineage,
    /// Asks for a look at once.
    pub(super) hurry: Arc<Notify>,
}

impl Pulse {
    /// Until nobody looks at the views any more; then leaves.
    pub(super) async fn run(self, views: watch::Sender<Option<View>>) {
        let interval = Duration::from_millis(self.settings.member_interval_ms);
        let silence_max = Duration::from_millis(self.settings.member_silence_ms_max);
        let mut members = Members::new(&self.member, silence_max);
        let mut beat = 1;
        let mut listed = Instant::now();
        let mut view = View {
            met: 0,
            alive: BTreeSet::from([self.member.clone()]),
            shards: self.shards.clone(),
            finished: BTreeSet::new(),
            recreated: false,
            trouble: None,
        };
        let due = Duration::from_millis(self.settings.shards_interval_ms);
        let mut hurried = false;
        let looking = async {
            loop {
                view.trouble = None;
                match self.meet(&mut members, &mut beat, &mut view).await {
                    Ok(()) => view.met += 1,
                    // The last that was known will do: whoever cannot use the store cannot land either.
                    Err(error) => self.failed(&error, &mut view),
                }
                if hurried || listed.elapsed() >= due {
                    listed = Instant::now();
                    self.list(&mut view).await;
                }
                views.send_replace(Some(view.clone()));
                hurried = tokio::select! {
                    () = sleep(interval) => false,
                    () = self.hurry.notified() => true,
                };
            }
        };
        tokio::select! {
            never = looking => never,
            () = views.closed() => {}
        }
        // The last beat may have been posted or not.
        for beat in [beat, beat.saturating_sub(1)] {
            let leave = self.board.remove(&self.stream, &self.member, beat);
            if let Ok(Err(error)) = timeout(LEAVE_MAX, leave).await {
                tracing::warn!(%error, "the others will notice only later that this reader has left");
            }
        }
    }

    fn failed(&self, error: &BoardError, view: &mut View) {
        self.metrics.count_board_failure(&self.stream.name);
        tracing::warn!(%error, stream = self.stream.name, "the readers' board cannot be used");
        view.trouble = Some(error.to_string());
    }

    /// Posts the next beat and takes in who else has.
    async fn meet(
        &self,
        members: &mut Members,
        beat: &mut u64,
        view: &mut View,
    ) -> Result<(), BoardError> {
        self.bounded(self.board.post(&self.stream, &self.member, *beat))
            .await?;
        *beat += 1;
        let posted = self.bounded(self.board.members(&self.stream)).await?;
        let now = Instant::now().into_std();
        members.observe(&posted, now);
        view.alive = members.alive(now);
        self.metrics
            .set_members(&self.stream.name, view.alive.len());
        for (member, beat) in members.forgotten(now) {
            self.bounded(self.board.remove(&self.stream, &member, beat))
                .await?;
        }
        if view.shards.waits(&view.finished) {
            let tails = self.bounded(self.board.tails(&self.stream)).await?;
            view.finished = finished(&tails);
        }
        Ok(())
    }

    async fn bounded<T>(
        &self,
        work: BoxFuture<'_, Result<T, BoardError>>,
    ) -> Result<T, BoardError> {
        let most = Duration::from_millis(self.settings.member_silence_ms_max);
        timeout(most, work)
            .await
            .unwrap_or_else(|elapsed| Err(BoardError::new("wait for the store", elapsed)))
    }

    /// Whether the stream is still the one that was opened, as far as can be told.
    async fn is_same(&self) -> bool {
        match self.source.is_same().await {
            Ok(same) => same,
            Err(fault) => {
                tracing::warn!(%fault, "the stream cannot be described");
                true
            }
        }
    }

    async fn list(&self, view: &mut View) {
        let listed = self.source.shards().await;
        match listed {
            Ok(shards) => {
                // Shards of a stream that was made anew at once may look like those of the old one.
                view.recreated |= view.shards.differs(&shards) || !self.is_same().await;
                view.shards = shards;
            }
            Err(error) => {
                tracing::warn!(%error, "the stream's shards cannot be listed");
                view.trouble = Some(error.to_string());
            }
        }
    }
}

/// The shards that have landed to their ends.
fn finished(tails: &BTreeMap<Partition, Position>) -> BTreeSet<Partition> {
    let ended = tails.iter().filter(|(_, tail)| position::is_end(tail));
    ended.map(|(shard, _)| shard.clone()).collect()
}
