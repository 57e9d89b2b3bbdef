//! Room on the disk for what gives room back: where the disk is full, receipts and the next segment are written in
//! the place of a file that was put there for them.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Enough for receipts and a state of some thousand series.
const RESERVE_BYTES: usize = 4 << 20;
/// More is never kept: a state is bounded too.
const RESERVE_BYTES_MAX: usize = 256 << 20;
/// Until a full disk is tried again.
const RESTORE_AGAIN: Duration = Duration::from_secs(1);

/// The file.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: AtomicUsize,
    given_up: AtomicBool,
    tried_at: Mutex<Option<Instant>>,
}

impl Reserve {
    /// Made at once, where there is room.
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

    /// Does what needs room; where there is none, once more without the file.
    ///
    /// # Errors
    /// Those of the work.
    pub fn with<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && std::fs::remove_file(&self.path).is_ok() => {
                tracing::warn!("the disk is full: {} was deleted to free space", self.path.display());
                self.given_up.store(true, Ordering::Relaxed);
                work()
            }
            done => done,
        }
    }

    /// True from when it was given up, or could not be made, until it is there again. So long its room is for what gives
    /// room back, and no message may take it.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// As [`Reserve::restore`], but not again and again: each attempt writes what the disk takes.
    pub fn restore_at_times(&self) {
        let mut tried_at = self.tried_at.lock().unwrap_or_else(PoisonError::into_inner);
        if tried_at.is_none_or(|at| at.elapsed() >= RESTORE_AGAIN) {
            *tried_at = Some(Instant::now());
            self.restore();
        }
    }

    /// What must be written on a full disk takes so many bytes by now.
    pub fn want(&self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(RESERVE_BYTES).clamp(RESERVE_BYTES, RESERVE_BYTES_MAX);
        // It does not shrink: a state that was large is large again.
        if self.bytes.fetch_max(bytes, Ordering::Relaxed) < bytes {
            self.restore();
        }
    }

    /// Makes the file again. Half a file would be no help, so one that cannot be made is none.
    pub fn restore(&self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let whole = self.path.metadata().is_ok_and(|file| file.len() == bytes as u64);
        if whole || std::fs::write(&self.path, vec![0; bytes]).is_ok() {
            self.given_up.store(false, Ordering::Relaxed);
        } else {
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
