//! Admission: what may be journaled at all. Signatures are checked and privacy rules applied here, before
//! the first byte reaches a disk. Where neither is configured, datagrams pass as they are.
use super::privacy::Rules;
use crate::config::Config;
use metlog_schemas::format::statsd::Sample;
use metlog_schemas::format::{self, Decoded, Entry, InOrder, Scratch, Verdict};
use metlog_schemas::wire::v1::{Header, Heartbeat, SigningKey};

/// The checks that are configured.
#[derive(Debug)]
pub struct Admission {
    keys: Vec<SigningKey>,
    rules: Rules,
}

/// What becomes of a datagram.
#[derive(Debug)]
pub enum Admitted {
    /// It is journaled.
    AsItIs,
    /// What is left of it is journaled, and messages of it in other formats, by their codes.
    Rewritten {
        /// What is left in its own format.
        datagram: Option<Vec<u8>>,
        /// What is journaled in others.
        moved: Vec<(u8, Vec<u8>)>,
        /// What of it was refused: reason and messages.
        rejected: Vec<(&'static str, u64)>,
    },
    /// Nothing of it is journaled: reason and messages.
    Refused(Vec<(&'static str, u64)>),
}

impl Admission {
    /// As configured.
    pub fn new(config: &Config) -> Admission {
        Admission { keys: config.keys.clone(), rules: Rules::new(config.privacy.clone()) }
    }

    /// True if rules of privacy are configured.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Decides on a datagram. `is_tight`: the journal has little room, so what will be rejected is refused now.
    pub fn admit(&self, code: u8, datagram: &[u8], is_tight: bool) -> Admitted {
        if !self.keys.is_empty()
            && let Err(reason) = format::verify(code, datagram, &self.keys)
        {
            return Admitted::Refused(vec![(reason, format::count(code, datagram))]);
        }
        self.admit_authorised(code, datagram, is_tight)
    }

    /// Likewise, where whoever sent it has shown by other means than a signature that they may.
    pub fn admit_authorised(&self, code: u8, datagram: &[u8], is_tight: bool) -> Admitted {
        // A request was judged when it came, and decoding a large one twice would slow down what is slow already.
        if is_tight
            && !format::is_whole(code)
            && let Some(reasons) = worthless(code, datagram)
        {
            return Admitted::Refused(reasons);
        }
        if self.rules.is_empty() {
            return Admitted::AsItIs;
        }
        let left = format::redact(code, datagram, &self.rules);
        if left.datagram.is_none() && left.moved.is_empty() {
            return Admitted::Refused(left.rejected);
        }
        Admitted::Rewritten { datagram: left.datagram, moved: left.moved, rejected: left.rejected }
    }
}

/// The reasons, where nothing of a datagram would be accepted; found by decoding it into nothing.
pub fn worthless(code: u8, datagram: &[u8]) -> Option<Vec<(&'static str, u64)>> {
    let (mut scratch, mut decoded) = (Scratch::default(), Decoded::default());
    let at = Entry { index: 0, received_at: 0 };
    scratch.begin();
    format::enter(code, datagram, at, &mut scratch, &mut Anything, &mut decoded);
    format::decode(code, datagram, at, &mut scratch, &mut decoded);
    decoded.settle(&mut Anything, at);
    (decoded.counts.facts == 0 && !decoded.counts.rejected.is_empty()).then_some(decoded.counts.rejected)
}

/// State that takes everything.
struct Anything;

impl InOrder for Anything {
    fn sender(&mut self, _: &Header<'_>, _: i64) -> Verdict {
        Verdict::New
    }
    fn heartbeat(&mut self, _: &Header<'_>, _: &Heartbeat, _: i64) {}
    fn add(&mut self, _: &Sample<'_>) -> Result<(), &'static str> {
        Ok(())
    }
    fn packet(&mut self, _: u64) {}
    fn bad_line(&mut self) {}
}
