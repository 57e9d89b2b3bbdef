//! Who sends: the host's name, the process and a random identity that no other process has.
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The identity in the header of every datagram of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Random; a forked child gets its own.
    pub sender: u64,
    /// The process that asks.
    pub pid: u32,
}

impl Origin {
    /// The identity of the calling process; each call gives another `sender`.
    ///
    /// `RandomState` alone would not do: a forked child inherits its keys, so pid, time and a count are
    /// hashed in.
    pub fn of_this_process() -> Origin {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id();
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(pid);
        hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
        hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos()));
        Origin { sender: hasher.finish(), pid }
    }
}

/// The host's name as the kernel has it; `localhost` where it has none.
pub(crate) fn hostname() -> String {
    let mut name = [0u8; 256];
    // SAFETY: the pointer and the length are those of a live buffer that nobody else sees, and
    // `gethostname` writes nowhere else. The last byte is left out, so a terminating zero is always there.
    #[allow(unsafe_code)]
    let status = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let length = name.iter().position(|&byte| byte == 0).unwrap_or(0);
    match std::str::from_utf8(&name[..length]) {
        Ok(text) if status == 0 && !text.is_empty() => text.to_owned(),
        _ => "localhost".to_owned(),
    }
}

/// Now, in µs since 1970 UTC.
pub(crate) fn now() -> i64 {
    nanos() / 1_000
}

/// Now, in ns since 1970 UTC. Read from the vDSO: no system call.
///
/// Asked of the C library itself: `SystemTime` and its conversions took a tenth of a whole `send`.
#[inline]
pub(crate) fn nanos() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is that of a live `timespec` that nobody else sees, and nothing else is written. It cannot
    // fail for this clock; if it did, the time would be 0.
    #[allow(unsafe_code)]
    unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &mut time);
    }
    #[allow(clippy::unnecessary_cast, reason = "their width is the platform's")]
    (time.tv_sec as i64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as i64)
}

/// A moment in µs since 1970 UTC.
#[inline]
pub(crate) fn micros(at: SystemTime) -> i64 {
    // Not `as_micros`: that divides 128 bits.
    let micros = |age: Duration| {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        seconds.saturating_mul(1_000_000).saturating_add(age.subsec_micros().into())
    };
    match at.duration_since(UNIX_EPOCH) {
        Ok(age) => micros(age),
        Err(before) => -micros(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hostname_is_the_kernels() {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let Ok(kernel) = kernel else { return assert!(!hostname().is_empty()) };
        assert_eq!(hostname(), kernel.trim_end());
    }

    #[test]
    fn two_identities_of_one_process_differ() {
        let (a, b) = (Origin::of_this_process(), Origin::of_this_process());
        assert_ne!(a.sender, b.sender);
        assert_eq!((a.pid, b.pid), (std::process::id(), std::process::id()));
    }

    #[test]
    fn now_is_the_systems_time() {
        let before = micros(SystemTime::now());
        let now = now();
        assert!((before..=micros(SystemTime::now())).contains(&now), "{before} {now}");
    }

    #[test]
    fn moments_before_1970_are_negative() {
        assert_eq!(micros(UNIX_EPOCH + Duration::from_micros(7)), 7);
        assert_eq!(micros(UNIX_EPOCH - Duration::from_micros(7)), -7);
    }
}
