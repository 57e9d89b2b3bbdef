//! What a worker gives up before it does anything: files, memory, its place when the system runs out of memory.
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use std::fs;
use std::io;
use std::os::fd::RawFd;

/// Stack of each of a worker's threads. Parser and planner recurse; where they recurse too deep, the worker ends.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// Threads of a worker that may block: for files and for decoding.
pub(crate) const BLOCKING_THREADS_MAX: usize = 6;

/// Memory that a worker may take beyond what its query may: stacks that are not there yet, buffers of the store's
/// client, footers, and what an allocator keeps.
const MARGIN_BYTES: u64 = (64 << 20) + (BLOCKING_THREADS_MAX * STACK_BYTES) as u64;

/// The worst place in the list of those that the system ends when it runs out of memory.
const OOM_SCORE: &str = "1000";

/// Closes what was inherited but stdin, stdout and stderr; ends with the server; is the first to go where the system
/// runs out of memory; leaves no core file. First thing of all, before there are other threads.
///
/// # Errors
/// What the system says.
pub(crate) fn begin() -> io::Result<()> {
    let inherited: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in inherited {
        // One of them was of the list itself.
        let _ = nix::unistd::close(descriptor);
    }
    set_pdeathsig(Signal::SIGKILL)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // It may be forbidden; then it is one of many.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    Ok(())
}

/// Bounds the memory that the process may write to: what it has now, and twice the memory of a query. The kernel
/// refuses more, and the allocation that it refuses ends the process. Tells how much is so little that the process can
/// take another query.
///
/// # Errors
/// What the system says.
pub(crate) fn cap(memory_bytes: usize) -> io::Result<u64> {
    let now = data_bytes()?;
    let bytes_max = now.saturating_add(2 * memory_bytes as u64).saturating_add(MARGIN_BYTES);
    setrlimit(Resource::RLIMIT_DATA, bytes_max, bytes_max)?;
    Ok(now.midpoint(bytes_max))
}

/// Private writable memory of this process, as the kernel counts it for the limit.
///
/// # Errors
/// Where the kernel does not say.
pub(crate) fn data_bytes() -> io::Result<u64> {
    status_bytes("self", "VmData")
}

/// A size that the kernel tells about a process, its number or `self`, in `/proc/…/status`.
///
/// # Errors
/// Where it does not say.
pub(crate) fn status_bytes(process: &str, key: &str) -> io::Result<u64> {
    let file = format!("/proc/{process}/status");
    let status = fs::read_to_string(&file)?;
    let size =
        |line: &str| line.strip_prefix(key)?.strip_prefix(':')?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok();
    let unknown = || io::Error::new(io::ErrorKind::Unsupported, format!("{file} has no {key}"));
    status.lines().find_map(size).map(|kilobytes| kilobytes << 10).ok_or_else(unknown)
}
