//! Which calls a sample rate takes: decided per call, without a system call or a lock.
use crate::pipe::generation;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// True for a share `rate` of the calls: always from 1 on, never for 0, less, or what is no number.
#[inline]
pub(super) fn takes(rate: f64) -> bool {
    rate >= 1.0 || (rate > 0.0 && uniform() < rate)
}

/// A number from 0 (included) to 1 (excluded), by xorshift64*: good enough to sample with.
fn uniform() -> f64 {
    thread_local!(static STATE: Cell<(u64, u64)> = const { Cell::new((0, 0)) });
    let next = |state: &Cell<(u64, u64)>| {
        let (made_in, mut x) = state.get();
        // Children of one process would all go on from its state, and decide alike.
        if x == 0 || made_in != generation() {
            x = RandomState::new().hash_one((std::process::id(), crate::origin::now())) | 1;
        }
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set((generation(), x));
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    };
    // While a thread ends there is no state of its own: then each call is seeded again.
    let bits = STATE.try_with(next).unwrap_or_else(|_| RandomState::new().hash_one(0));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert!((0..1_000).all(|_| takes(1.0) && takes(2.0) && takes(f64::INFINITY)));
        assert!(!(0..1_000).any(|_| takes(0.0) || takes(-1.0) || takes(f64::NAN)));
        let taken = (0..100_000).filter(|_| takes(0.1)).count();
        assert!((9_000..11_000).contains(&taken), "{taken}: ten standard deviations from 10,000");
    }

    #[test]
    fn threads_decide_differently() {
        let draw = || (0..64).map(|_| takes(0.5)).collect::<Vec<_>>();
        let other = std::thread::spawn(draw).join().unwrap();
        assert_ne!(draw(), other, "equal with a chance of 2^-64");
    }
}
