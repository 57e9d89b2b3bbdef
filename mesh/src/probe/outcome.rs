//! What became of a single probe, whatever its kind.
use std::time::Duration;

/// A host that is late by so much, not the network, is what a probe measured.
pub const HOST_LATE_MIN: Duration = Duration::from_millis(20);

/// Whether a probe was replied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// It was.
    Received,
    /// It did not arrive.
    LostForward,
    /// It arrived, and the reply did not.
    LostReverse,
    /// Nobody knows which.
    #[default]
    LostUnknown,
    /// The host says that nobody listens.
    Refused,
}

impl Outcome {
    /// As it is written in `probes`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Received => "received",
            Outcome::LostForward => "lost_forward",
            Outcome::LostReverse => "lost_reverse",
            Outcome::LostUnknown => "lost_unknown",
            Outcome::Refused => "refused",
        }
    }
}

/// One probe, as it is known when its interval ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Single {
    /// When it was sent, µs since 1970 UTC.
    pub sent_at: i64,
    /// Source port; 0: none.
    pub source_port: u16,
    /// What became of it.
    pub outcome: Outcome,
    /// For connections: they lost something on the way there, or back, and were made nevertheless.
    pub lost_on_the_way: Option<Outcome>,
    /// Round trip, without the time that it stayed at the target.
    pub rtt: Option<Duration>,
    /// SYNs that were sent again.
    pub syn_retransmits: u32,
    /// How late the source was.
    pub source_late: Duration,
    /// How late the target was, if it is known.
    pub target_late: Duration,
}

impl Single {
    /// One of both hosts made it late.
    pub fn is_host_late(&self) -> bool {
        self.source_late.max(self.target_late) >= HOST_LATE_MIN
    }

    /// Its round trip, if it is one of the network.
    pub fn network_rtt(&self) -> Option<Duration> {
        self.rtt.filter(|_| !self.is_host_late() && self.syn_retransmits == 0)
    }

    /// Something is wrong with it: it is worth a row of its own.
    pub fn is_remarkable(&self) -> bool {
        self.outcome != Outcome::Received || self.is_host_late() || self.syn_retransmits > 0
    }
}
