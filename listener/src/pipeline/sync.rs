//! What is on disk for sure. One sync serves all who wait: they are woken together when what they appended is safe.
use super::Pipeline;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Syncs that are asked for and made.
#[derive(Debug)]
pub(super) struct Syncing {
    /// Somebody waits.
    wanted: (Mutex<bool>, Condvar),
    /// Everything up to this position is on disk.
    synced: watch::Sender<u64>,
}

impl Default for Syncing {
    fn default() -> Self {
        Syncing { wanted: Default::default(), synced: watch::Sender::new(0) }
    }
}

/// Waits until what was appended up to a position is on disk.
#[derive(Debug)]
pub struct Synced {
    position: u64,
    synced: watch::Receiver<u64>,
}

impl Synced {
    /// True once it is; false where the pipeline is gone.
    pub async fn wait(mut self) -> bool {
        let position = self.position;
        self.synced.wait_for(|synced| *synced >= position).await.is_ok()
    }

    /// True where it is already.
    pub fn is_done(&self) -> bool {
        *self.synced.borrow() >= self.position
    }
}

impl Pipeline {
    /// For who must not answer before what it appended up to `position` is safe. It is synced at once.
    pub fn synced(&self, position: u64) -> Synced {
        let synced = Synced { position, synced: self.syncing.synced.subscribe() };
        if !synced.is_done() {
            *self.syncing.wanted.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.syncing.wanted.1.notify_one();
        }
        synced
    }

    /// Waits until a sync is requested, for `at_most` at most.
    pub fn wait_for_sync(&self, at_most: Duration) {
        let wanted = self.syncing.wanted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.syncing.wanted.1.wait_timeout_while(wanted, at_most, |wanted| !*wanted);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Syncs what was written since the last call.
    pub fn sync(&self) {
        let (files, position) = self.journal.lock().take_unsynced();
        let mut all = true;
        for file in files {
            if let Err(error) = file.sync_data() {
                self.failing.sync.began(format_args!("the journal cannot be synced: {error}"));
                self.journal.lock().sync_failed(file);
                all = false;
            }
        }
        if all {
            self.failing.sync.ended();
            self.syncing.synced.send_if_modified(|synced| {
                let is_new = position > *synced;
                *synced = position.max(*synced);
                is_new
            });
        }
    }
}
