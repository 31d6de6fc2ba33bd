//! What keeps a sink from working, and since when: for whoever asks whether it is ready.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A sink's troubles. Clones tell of the same sink.
#[derive(Debug, Clone)]
pub struct Health {
    /// By what they are, since when.
    troubles: Arc<Mutex<BTreeMap<String, Instant>>>,
    after: Duration,
}

impl Health {
    pub(crate) fn new(after: Duration) -> Self {
        Self {
            troubles: Arc::default(),
            after,
        }
    }

    /// The troubles that have lasted for `unready_after_ms`; `None`: the sink works.
    pub fn problem(&self) -> Option<String> {
        let troubles = self.troubles();
        let lasting = troubles.iter().filter_map(|(what, since)| {
            let lasted = since.elapsed();
            (lasted >= self.after).then(|| format!("{what} for {} s", lasted.as_secs()))
        });
        let told: Vec<String> = lasting.collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// It is so, from now on if it was not.
    pub(crate) fn begin(&self, what: &str) {
        self.troubles()
            .entry(what.to_owned())
            .or_insert_with(Instant::now);
    }

    /// It is so no longer.
    pub(crate) fn end(&self, what: &str) {
        self.troubles().remove(what);
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trouble_is_told_once_it_has_lasted_and_until_it_ends() {
        let health = Health::new(Duration::from_secs(60));
        assert_eq!(health.problem(), None);
        health.begin("the store fails");
        tokio::time::sleep(Duration::from_secs(40)).await;
        health.begin("the store fails");
        assert_eq!(health.problem(), None);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(
            health.problem(),
            Some("the store fails for 70 s".to_owned())
        );
        health.end("the store fails");
        assert_eq!(health.problem(), None);
    }
}
