//! Receiving: batches of datagrams from one socket, each batch straight into the pipeline.
use super::bind::{self, Bound};
use crate::pipeline::{Pipeline, Source};
use metlog_schemas::format;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Datagrams in one system call, as long as calls find many: a long `write` costs the kernel less a byte than a short one.
const BATCH: usize = 256;
/// As many, as long as they find few: preparing room for one costs as much as receiving it.
const BATCH_AT_REST: usize = 32;
/// About what one record may hold. The budget of the journal and the rows of one batch need a bound.
const RECORD_BYTES: usize = 128 * 1024;
/// Room for the largest datagram, and for what the kernel joins.
const DATAGRAM_BYTES: usize = 65_536;
/// From one to the next. A power of two would put the beginnings of all of them into the same cache sets.
const STRIDE_BYTES: usize = DATAGRAM_BYTES + 33 * 64;

/// After a small batch, so that the next one is larger: a system call, a record and a wake-up for each datagram cost
/// more than all else that is done with it.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a socket is emptied when it shall end.
const LAST_TAKES: Duration = Duration::from_millis(500);

/// What is known of a socket that is received from.
#[derive(Debug)]
pub struct SocketState {
    /// Where it is bound.
    pub address: String,
    /// Bytes of receive buffer that the kernel granted.
    pub receive_buffer: usize,
    /// Datagrams that the kernel dropped there.
    pub kernel_dropped: AtomicU64,
}

/// A datagram as received: where it lies, and the size of the parts where the kernel joined several.
struct Part {
    slot: usize,
    bytes: usize,
    segment: usize,
    source: Source,
    /// The kernel cut it: what is here is not what was sent.
    is_cut: bool,
}

/// Receives until asked to stop.
pub fn receive(
    pipeline: &Pipeline,
    worker: usize,
    code: u8,
    bound: &Bound,
    state: &SocketState,
    end: &Arc<AtomicBool>,
) {
    let mut memory = vec![0u8; BATCH * STRIDE_BYTES];
    let mut parts = Vec::with_capacity(BATCH);
    let mut give_up_at = None;
    loop {
        // What the socket holds when it shall end is taken too; but a flood cannot keep it open.
        let ends = end.load(Ordering::Relaxed);
        if ends && Instant::now() >= *give_up_at.get_or_insert_with(|| Instant::now() + LAST_TAKES) {
            return;
        }
        let slots = if parts.len() < BATCH_AT_REST { BATCH_AT_REST } else { BATCH };
        parts.clear();
        match fill(bound, &mut memory[..slots * STRIDE_BYTES], &mut parts, state, ends) {
            Ok(dropped) => pipeline.kernel_dropped(&state.address, dropped),
            Err(Errno::EAGAIN) => {
                // Drops after the last datagram are not reported with a datagram.
                if let Some(total) = bind::kernel_drops(&bound.socket) {
                    pipeline.kernel_dropped(&state.address, newly_dropped(state, total));
                }
                if ends {
                    return;
                }
                continue;
            }
            Err(Errno::EINTR) => continue,
            Err(error) => {
                tracing::error!("receiving on {}: {error}", state.address);
                std::thread::sleep(bind::RECEIVE_TIMEOUT);
                continue;
            }
        }
        let datagrams = |part: &Part| {
            let start = part.slot * STRIDE_BYTES;
            let source = part.source;
            split(&memory[start..start + part.bytes], part.segment).map(move |datagram| (datagram, source))
        };
        for part in parts.iter().filter(|part| part.is_cut) {
            let start = part.slot * STRIDE_BYTES;
            let bytes = &memory[start..start + part.bytes];
            pipeline.reject("datagram_too_long", format::count(code, bytes), part.source, bytes);
        }
        parts.retain(|part| !part.is_cut);
        for record in records(&parts) {
            pipeline.take(worker, code, record.iter().flat_map(datagrams));
        }
        if parts.len() < BATCH_AT_REST && bound.is_patient && !ends {
            std::thread::sleep(PAUSE);
        }
    }
}

/// One system call; the number of datagrams that the kernel dropped since the last one.
fn fill(
    bound: &Bound,
    memory: &mut [u8],
    parts: &mut Vec<Part>,
    state: &SocketState,
    at_once: bool,
) -> Result<u64, Errno> {
    let mut slices: Vec<[IoSliceMut<'_>; 1]> =
        memory.chunks_mut(STRIDE_BYTES).map(|chunk| [IoSliceMut::new(&mut chunk[..DATAGRAM_BYTES])]).collect();
    // Rebuilt for each call: the kernel shortens the control buffers to what it wrote.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slices.len(), Some(cmsg_space!(u32, i32)));
    let flags = if at_once { MsgFlags::MSG_DONTWAIT } else { MsgFlags::MSG_WAITFORONE };
    let received = recvmmsg(bound.socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
    let mut dropped = 0;
    for (slot, message) in received.enumerate() {
        let mut segment = 0;
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::RxqOvfl(total) => dropped += newly_dropped(state, total),
                ControlMessageOwned::UdpGroSegments(bytes) => segment = usize::try_from(bytes).unwrap_or_default(),
                _ => (),
            }
        }
        let is_cut = message.flags.contains(MsgFlags::MSG_TRUNC);
        let source = message.address.as_ref().and_then(socket_address);
        parts.push(Part { slot, bytes: message.bytes.min(DATAGRAM_BYTES), segment, source, is_cut });
    }
    Ok(dropped)
}

fn socket_address(address: &SockaddrStorage) -> Source {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

/// The parts of a batch, cut so that each cut is about [`RECORD_BYTES`], or one part.
fn records(mut parts: &[Part]) -> impl Iterator<Item = &[Part]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |part: &&Part| {
            bytes += part.bytes;
            bytes <= RECORD_BYTES
        };
        let count = parts.iter().take_while(fits).count().max(1);
        let (record, rest) = parts.split_at_checked(count)?;
        parts = rest;
        Some(record)
    })
}

/// The kernel's counter is 32 bits wide and counts since the socket was made.
fn newly_dropped(state: &SocketState, total: u32) -> u64 {
    let before = state.kernel_dropped.load(Ordering::Relaxed);
    let new = total.wrapping_sub(before as u32);
    // Told with a datagram that waited since before the last look: it is behind, not four billion ahead.
    if new > u32::MAX / 2 {
        return 0;
    }
    state.kernel_dropped.store(before + u64::from(new), Ordering::Relaxed);
    u64::from(new)
}

/// The datagrams that the kernel joined: all of `segment` bytes but the last. An empty datagram is one too.
fn split(bytes: &[u8], segment: usize) -> impl Iterator<Item = &[u8]> {
    let segment = if segment == 0 { bytes.len().max(1) } else { segment };
    let empty = bytes.is_empty().then_some(bytes);
    bytes.chunks(segment).chain(empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(bytes: &str, segment: usize) -> Vec<&str> {
        split(bytes.as_bytes(), segment).map(|part| std::str::from_utf8(part).unwrap()).collect()
    }

    #[test]
    fn what_the_kernel_joined_is_cut_where_it_was_joined() {
        assert_eq!(parts("aabbcc", 2), ["aa", "bb", "cc"]);
        assert_eq!(parts("aabbc", 2), ["aa", "bb", "c"], "the last one may be shorter");
        assert_eq!(parts("aa", 2), ["aa"]);
        assert_eq!(parts("a", 2), ["a"]);
    }

    #[test]
    fn a_batch_is_cut_into_records() {
        let cut = |bytes: &[usize]| -> Vec<usize> {
            let parts: Vec<Part> =
                bytes.iter().map(|&bytes| Part { slot: 0, bytes, segment: 0, source: None, is_cut: false }).collect();
            records(&parts).map(<[Part]>::len).collect()
        };
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[300; 256]), [256]);
        assert_eq!(cut(&[1_432; 256]), [91, 91, 74]);
        assert_eq!(cut(&[DATAGRAM_BYTES; 5]), [2, 2, 1]);
        assert_eq!(cut(&[RECORD_BYTES + 1, 1, 0]), [1, 2], "no part is too large for a record of its own");
    }

    #[test]
    fn what_was_not_joined_is_one_datagram() {
        assert_eq!(parts("aabbc", 0), ["aabbc"]);
        assert_eq!(parts("", 0), [""], "an empty datagram is counted, so it must be told");
        assert_eq!(parts("", 2), [""]);
    }
}
