//! What goes wrong with the journal at the moment.
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

/// Each is ended only by a success of its own kind.
#[derive(Debug, Default)]
pub(super) struct Failing {
    pub append: Failure,
    pub seal: Failure,
    pub sync: Failure,
}

/// One kind of failure.
#[derive(Debug, Default)]
pub(super) struct Failure(AtomicBool);

impl Failure {
    /// Notes it, and says so where it is new.
    pub fn began(&self, what: impl Display) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!("{what}");
        }
    }

    pub fn ended(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Failing {
    /// In words.
    pub fn problems(&self) -> Vec<String> {
        let all = [
            (&self.append, "messages are dropped: the journal cannot be written or its budget is used up"),
            (&self.seal, "the journal's segment cannot be sealed, so nothing is stored: the log says why"),
            (&self.sync, "the journal cannot be synced: a power cut may cost more than usual"),
        ];
        all.into_iter().filter(|(failure, _)| failure.is()).map(|(_, what)| what.to_owned()).collect()
    }
}
