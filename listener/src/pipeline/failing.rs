//! What goes wrong at the moment.
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How long a loss counts as recent, µs.
const RECENT: i64 = 10_000_000;

/// Each is ended only by a success of its own kind, or, where it is a loss, by time.
#[derive(Debug, Default)]
pub(super) struct Failing {
    pub append: Failure,
    pub seal: Failure,
    pub sync: Failure,
    pub memory: Failure,
    kernel: Loss,
}

/// One kind of failure.
#[derive(Debug, Default)]
pub(super) struct Failure(AtomicBool);

/// Datagrams that the kernel dropped: when last, where, and how many since it began.
#[derive(Debug, Default)]
struct Loss {
    /// Steady µs, 0: never.
    last: AtomicI64,
    count: AtomicU64,
    socket: Mutex<String>,
}

impl Failure {
    /// Notes the failure, and logs it if it is new.
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
    /// The kernel dropped datagrams.
    pub fn kernel_dropped(&self, socket: &str, datagrams: u64, steady: i64) {
        if !self.is_losing(steady) {
            self.kernel.count.store(0, Ordering::Relaxed);
            socket.clone_into(&mut self.kernel.socket.lock().unwrap_or_else(PoisonError::into_inner));
            tracing::error!("the kernel dropped {datagrams} datagrams at {socket}: its receive buffer was full");
        }
        self.kernel.count.fetch_add(datagrams, Ordering::Relaxed);
        self.kernel.last.store(steady.max(1), Ordering::Relaxed);
    }

    /// True if the kernel dropped something just now.
    pub fn is_losing(&self, steady: i64) -> bool {
        let last = self.kernel.last.load(Ordering::Relaxed);
        last > 0 && steady - last < RECENT
    }

    /// In words.
    pub fn problems(&self, steady: i64) -> Vec<String> {
        let all = [
            (&self.memory, "messages are being dropped: the budget of memory is used up"),
            (&self.append, "messages are being dropped: the journal cannot be written or its budget is used up"),
            (&self.seal, "the journal segment cannot be sealed, so nothing is stored: see the log"),
            (&self.sync, "the journal cannot be synced: a power cut may cost more than usual"),
        ];
        let mut problems: Vec<String> =
            all.into_iter().filter(|(failure, _)| failure.is()).map(|(_, what)| what.to_owned()).collect();
        if self.is_losing(steady) {
            let count = self.kernel.count.load(Ordering::Relaxed);
            let socket = self.kernel.socket.lock().unwrap_or_else(PoisonError::into_inner).clone();
            problems.push(format!(
                "messages are lost: the kernel dropped {count} datagrams at {socket} in the last few seconds, because \
                 its receive buffer was full"
            ));
        }
        problems
    }
}
