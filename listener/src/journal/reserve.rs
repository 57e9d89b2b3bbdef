//! Reserved disk space: when the disk is full, this file is deleted so that receipts and the next segment, which allow
//! space to be freed, can still be written.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Enough for receipts and a state of a few thousand series.
const RESERVE_BYTES: usize = 4 << 20;
/// Upper limit: the size of a state is bounded too.
const RESERVE_BYTES_MAX: usize = 256 << 20;
/// Wait before a full disk is tried again.
const RESTORE_AGAIN: Duration = Duration::from_secs(1);

/// The reserve file.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: AtomicUsize,
    given_up: AtomicBool,
    tried_at: Mutex<Option<Instant>>,
}

/// True where there is no room, on the disk or for this user.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Reserve {
    /// Created at once, if there is space.
    pub fn new(data: &Path) -> Reserve {
        let reserve = Reserve {
            path: data.join("reserve"),
            bytes: AtomicUsize::new(RESERVE_BYTES),
            given_up: AtomicBool::new(false),
            tried_at: Mutex::default(),
        };
        reserve.restore();
        reserve
    }

    /// Does work that needs disk space; if the disk is full, deletes the file and tries once more.
    ///
    /// # Errors
    /// Those of the work.
    pub fn with<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(error) if is_full(&error) && std::fs::remove_file(&self.path).is_ok() => {
                tracing::warn!("the disk is full: {} was deleted to free space", self.path.display());
                self.given_up.store(true, Ordering::Relaxed);
                work()
            }
            done => done,
        }
    }

    /// True from when the file was deleted, or could not be created, until it exists again. During that time the space is
    /// for work that frees space, and no message may use it.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// As [`Reserve::restore`], but rate-limited: each attempt writes as much as the disk accepts.
    pub fn restore_at_times(&self) {
        let mut tried_at = self.tried_at.lock().unwrap_or_else(PoisonError::into_inner);
        if tried_at.is_none_or(|at| at.elapsed() >= RESTORE_AGAIN) {
            *tried_at = Some(Instant::now());
            self.restore();
        }
    }

    /// Sets how many bytes must be writable on a full disk.
    pub fn want(&self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(RESERVE_BYTES).clamp(RESERVE_BYTES, RESERVE_BYTES_MAX);
        // It does not shrink: a state that was large is large again.
        if self.bytes.fetch_max(bytes, Ordering::Relaxed) < bytes {
            self.restore();
        }
    }

    /// Creates the file again. Half a file would not help, so an incomplete one is deleted.
    pub fn restore(&self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let length = self.path.metadata().map_or(0, |file| file.len());
        let unfinished = self.path.with_extension("new");
        let made =
            || std::fs::write(&unfinished, vec![0; bytes]).and_then(|()| std::fs::rename(&unfinished, &self.path));
        // A smaller one is kept where a larger one has no room.
        if length == bytes as u64 || made().is_ok() || length >= RESERVE_BYTES as u64 {
            let _ = std::fs::remove_file(&unfinished);
            self.given_up.store(false, Ordering::Relaxed);
        } else {
            let _ = std::fs::remove_file(&unfinished);
            let _ = std::fs::remove_file(&self.path);
            self.given_up.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_once_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path());
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let mut attempts = 0;
        let done = reserve.with(|| {
            attempts += 1;
            if attempts == 1 { Err(full()) } else { Ok(attempts) }
        });
        assert_eq!(done.unwrap(), 2);
        assert!(!folder.path().join("reserve").exists() && reserve.is_given_up());
        assert!(reserve.with(|| Err::<(), _>(full())).is_err());
        reserve.restore();
        assert!(!reserve.is_given_up());
        assert!(Reserve::new(&folder.path().join("nowhere")).is_given_up(), "no room from the start");
        assert_eq!(folder.path().join("reserve").metadata().unwrap().len(), RESERVE_BYTES as u64);
    }
}
