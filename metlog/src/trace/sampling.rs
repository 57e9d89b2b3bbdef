//! Which traces are sampled: decided once, at the root, and passed on.
use super::ids;
use std::fmt::Write;

/// Random bits of a trace id that decide, as OpenTelemetry's threshold has them.
const BITS: u32 = 56;
/// Digits of a threshold.
const DIGITS: usize = 14;

/// Which of the traces that begin here are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// All of them.
    All,
    /// None of them; those that begin elsewhere are, if it was decided so there.
    None,
    /// A share of them, between 0 and 1. The share is kept in the trace's state (`ot=th:…`), so that counts of spans can be
    /// scaled up again.
    Share(f64),
}

impl Sampling {
    /// Rejected are trace ids whose lower 56 bits are below it.
    fn threshold(self) -> u64 {
        let all = 1_u64 << BITS;
        match self {
            Sampling::All => 0,
            Sampling::None => all,
            Sampling::Share(share) => all - (share.clamp(0.0, 1.0) * all as f64) as u64,
        }
    }

    /// Whether a new trace is sampled, and the state that says how likely that was.
    pub(super) fn decide(self, trace_id: [u8; 16]) -> (bool, String) {
        let threshold = self.threshold();
        let low = u64::from_be_bytes(trace_id[8..].try_into().unwrap_or_default()) & ((1 << BITS) - 1);
        let is_sampled = low >= threshold;
        let mut state = String::new();
        if is_sampled && threshold > 0 {
            // Written with trailing zeros left out, at least one digit.
            let _ = write!(state, "ot=th:{threshold:0DIGITS$x}");
            while state.ends_with('0') && !state.ends_with(":0") {
                state.pop();
            }
        }
        (is_sampled, state)
    }

    /// A root of a trace that began elsewhere and whose sampling nobody decided.
    pub(super) fn decide_late(self) -> bool {
        ids::random() >> (64 - BITS) >= self.threshold()
    }

    pub(crate) fn is_valid(self) -> bool {
        !matches!(self, Sampling::Share(share) if !(0.0..=1.0).contains(&share))
    }
}

/// A share as it is written in configurations: a number from 0 to 1.
pub(crate) fn parse(share: f64) -> Sampling {
    match share {
        1.0 => Sampling::All,
        0.0 => Sampling::None,
        share => Sampling::Share(share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_sampled_and_told() {
        assert_eq!(Sampling::All.decide(ids::trace_id()), (true, String::new()));
        assert_eq!(Sampling::None.decide([0xff; 16]), (false, String::new()));
        assert_eq!(Sampling::Share(0.25).decide([0xff; 16]), (true, "ot=th:c".to_owned()));
        assert_eq!(Sampling::Share(0.5).decide([0; 16]), (false, String::new()));
        assert_eq!(Sampling::Share(1.0).decide([0; 16]), (true, String::new()));
        let sampled = (0..10_000).filter(|_| Sampling::Share(0.1).decide(ids::trace_id()).0).count();
        let late = (0..10_000).filter(|_| Sampling::Share(0.1).decide_late()).count();
        // 10,000 draws of one in ten: beyond 9 standard deviations.
        assert!((730..1_270).contains(&sampled) && (730..1_270).contains(&late), "{sampled} {late}");
        assert!(!Sampling::Share(f64::NAN).is_valid() && !Sampling::Share(1.5).is_valid());
    }
}
