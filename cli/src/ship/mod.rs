//! Shipping: the lines of files as messages, and what is counted of them.
//!
//! `source` opens and decompresses, `template` makes messages of lines, `pack` makes numbered datagrams. `exact` sends
//! them until the server has them; for it, `state` keeps positions and `follow` finds a file again that was rotated.
pub mod exact;
mod follow;
mod moment;
pub mod pack;
pub mod source;
mod state;
pub mod template;
#[cfg(test)]
mod tests;

use crate::plural::{counted, verb};
use metlog_schemas::wire::Message;

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The message itself.
    pub message: Message,
    /// Hostname and pid are its own, and not those of who sends it.
    pub has_origin: bool,
    /// It was Metlog JSON: what that leaves out is empty, and not ours.
    pub is_json: bool,
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Metlog JSON.
    pub json: u64,
    /// Of those, counters and timers that were sent without a number.
    pub statistics: u64,
    /// Lines of text.
    pub texts: u64,
    /// Lines with bytes that the wire cannot carry.
    pub not_utf8: u64,
    /// Lines that the template does not match.
    pub unmatched: u64,
    /// Lines whose time cannot be read.
    pub without_time: u64,
    /// Lines whose severity is no name of one.
    pub without_severity: u64,
    /// Lines that fit no datagram.
    pub too_large: u64,
}

impl Counts {
    /// All that was sent.
    pub fn messages(&self) -> u64 {
        (self.json + self.texts).saturating_sub(self.too_large)
    }

    /// What was sent, in one line.
    pub fn summary(&self, datagrams: u64, seconds: f64) -> String {
        let (all, texts) = (counted(self.messages(), "message"), counted(self.texts_sent(), "line"));
        let datagrams = counted(datagrams, "datagram");
        format!("{all} ({} Metlog JSON, {texts} of text) in {datagrams}, {seconds:.1} s", self.json)
    }

    fn texts_sent(&self) -> u64 {
        self.texts.saturating_sub(self.too_large)
    }

    /// What was not sent as it was, a line for each reason.
    pub fn remarks(&self) -> Vec<String> {
        let remarks = [
            (self.not_utf8, "bytes that are not UTF-8, sent as U+FFFD", ("has", "have")),
            (self.unmatched, "not match --line-regex, and went whole", ("does", "do")),
            (self.without_time, "an invalid time, and got the time of sending", ("has", "have")),
            (self.without_severity, "an unknown severity, and got the default", ("has", "have")),
            (self.statistics, "counters or timers, whose arrival is not checked: they have no number", ("is", "are")),
        ];
        let remarks = remarks.into_iter().filter(|(count, ..)| *count > 0);
        remarks
            .map(|(count, what, (one, many))| format!("{} {} {what}", counted(count, "line"), verb(count, one, many)))
            .collect()
    }
}
