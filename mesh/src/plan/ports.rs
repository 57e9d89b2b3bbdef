//! Source ports: a switch chooses one of several equal paths by a hash of the 5-tuple, so that only changing ports touch all.
use super::hash;

/// Most source ports of a pair, whatever the formula says.
pub const PORTS_MAX: u16 = 256;

/// How many source ports touch all of `paths` equal paths with this probability: n = ⌈ln(1 − p^(1/m)) / ln((m−1)/m)⌉, at
/// least 1 and at most [`PORTS_MAX`]. `probability` is kept within 0.5 and 0.9999.
pub fn ports_for(paths: u16, probability: f64) -> u16 {
    if paths <= 1 {
        return 1;
    }
    let (m, p) = (f64::from(paths), probability.clamp(0.5, 0.9999));
    let n = ((1.0 - p.powf(1.0 / m)).ln() / ((m - 1.0) / m).ln()).ceil();
    (n as u16).clamp(1, PORTS_MAX)
}

/// The source ports that a pair walks through, one after the other, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    first: u16,
    count: u16,
    offset: u16,
}

impl Walk {
    /// `count` ports from `first` on, fewer where they would pass 65,535. Pairs begin at different ones of them.
    pub fn new(source: &str, target: &str, first: u16, count: u16) -> Walk {
        let count = count.clamp(1, (u16::MAX - first).saturating_add(1).max(1));
        let offset = (hash::of(&["port", source, target]) % u64::from(count)) as u16;
        Walk { first, count, offset }
    }

    /// The source port of the pair's probe with this number.
    pub fn port(&self, number: u64) -> u16 {
        let step = (u64::from(self.offset) + number % u64::from(self.count)) % u64::from(self.count);
        self.first + step as u16
    }

    /// How many ports there are: after so many probes each was used once.
    pub fn count(&self) -> u16 {
        self.count
    }
}
