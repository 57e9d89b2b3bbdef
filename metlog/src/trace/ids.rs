//! Random ids. A forked child and another thread never repeat those of this one.
use crate::origin::Origin;
use crate::pipe::generation;
use std::cell::Cell;

thread_local! {
    /// State of the generator, and the fork that it was seeded in.
    static STATE: Cell<Option<([u64; 2], u64)>> = const { Cell::new(None) };
}

/// 64 random bits, not zero: xoroshiro128+ with a seed of its own for each thread of each process. Not secret.
pub(super) fn random() -> u64 {
    let seeded = STATE.with(Cell::get).filter(|(_, forks)| *forks == generation());
    let ([a, b], forks) = seeded.unwrap_or_else(|| {
        let seed = || Origin::of_this_process().sender | 1;
        ([seed(), seed()], generation())
    });
    let result = a.wrapping_add(b);
    let mixed = a ^ b;
    let next = [a.rotate_left(24) ^ mixed ^ (mixed << 16), mixed.rotate_left(37)];
    STATE.with(|state| state.set(Some((next, forks))));
    if result == 0 { random() } else { result }
}

/// An id of a trace.
pub(super) fn trace_id() -> [u8; 16] {
    (u128::from(random()) << 64 | u128::from(random())).to_be_bytes()
}

/// An id of a span.
pub(super) fn span_id() -> [u8; 8] {
    random().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_do_not_repeat() {
        let thread = || (0..1_000).map(|_| trace_id()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(thread)).collect();
        let all: HashSet<[u8; 16]> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.len(), 4_000);
    }
}
