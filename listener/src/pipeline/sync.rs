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
    /// Held during a sync; intake never takes it.
    one: Mutex<()>,
    reached: watch::Sender<Reached>,
}

/// Positions up to which syncs came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reached {
    /// Everything up to here is on disk, but for what is before `failed`.
    synced: u64,
    /// What was appended up to here may be lost: a sync of it failed.
    failed: u64,
}

impl Default for Syncing {
    fn default() -> Self {
        Syncing { wanted: Default::default(), one: Mutex::default(), reached: watch::Sender::new(Reached::default()) }
    }
}

/// Waits until what was appended up to a position is on disk.
#[derive(Debug)]
pub struct Synced {
    position: u64,
    reached: watch::Receiver<Reached>,
}

impl Synced {
    /// True once it is; false where a sync of it failed, or the pipeline is gone.
    pub async fn wait(mut self) -> bool {
        let position = self.position;
        let reached = self.reached.wait_for(|reached| reached.synced >= position || reached.failed >= position).await;
        reached.is_ok_and(|reached| position == 0 || reached.failed < position)
    }

    /// True where it is already.
    pub fn is_done(&self) -> bool {
        let reached = self.reached.borrow();
        self.position == 0 || (reached.synced >= self.position && reached.failed < self.position)
    }
}

impl Pipeline {
    /// For who must not answer before what it appended up to `position` is safe. It is synced at once.
    pub fn synced(&self, position: u64) -> Synced {
        let synced = Synced { position, reached: self.syncing.reached.subscribe() };
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

    /// Syncs what was written since the last call; false where some of it is not on disk.
    ///
    /// The kernel reports a failed write once and forgets it: whatever was appended up to a failure is never called
    /// safe, and who waits for it is told so.
    pub fn sync(&self) -> bool {
        // Another sync under way has taken files whose bytes are before our position.
        let _one = self.syncing.one.lock().unwrap_or_else(PoisonError::into_inner);
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
        }
        self.syncing.reached.send_if_modified(|reached| {
            let before = *reached;
            match all {
                true => reached.synced = reached.synced.max(position),
                false => reached.failed = reached.failed.max(position),
            }
            *reached != before
        });
        all
    }
}
