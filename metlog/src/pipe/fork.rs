//! Knowing that this process is a fork of the one that made a pipe.
//!
//! A forked child has none of its parent's threads, and may have inherited a mutex that one of them holds.
//! So each pipe remembers the generation it was made in, and is left alone in any other.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(0);
static WATCHING: AtomicBool = AtomicBool::new(false);

/// How many forks lie between this process and the first that watched.
#[inline]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Runs in the child, before `fork` returns there. An atomic addition is all that is safe here.
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Counts forks from now on. A `clone` system call made past the C library is not seen.
pub(crate) fn watch() {
    if WATCHING.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: `in_child` is a plain function that lives as long as the program, and does only what is safe in
    // a child of a process with threads.
    #[allow(unsafe_code)]
    let status = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    if status != 0 {
        WATCHING.store(false, Ordering::Relaxed); // out of memory: the next client tries again
    }
}
