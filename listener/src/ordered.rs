//! What depends on the order of the journal: senders' sequences and the open window. The same code serves the live
//! pipeline and replay.
use crate::aggregate::Aggregator;
use crate::journal::begin::Context;
use crate::journal::record::Record;
use crate::senders::Senders;
use metlog_schemas::format::statsd::Sample;
use metlog_schemas::format::{self, Decoded, Entry, Grown, InOrder, Scratch, Total, Verdict};
use metlog_schemas::wire::v1::{Header, Heartbeat};

/// See the module.
#[derive(Debug)]
pub struct Ordered {
    /// Who sends.
    pub senders: Senders,
    /// The open window.
    pub aggregator: Aggregator,
    /// What it was made with.
    pub context: Context,
    /// On replay of what version 0.1 wrote: what it accepted is accepted.
    pub is_v1: bool,
}

impl InOrder for Ordered {
    fn sender(&mut self, header: &Header<'_>, received_at: i64) -> Verdict {
        self.senders.enter(header, received_at, self.context.replay_window, !self.is_v1)
    }

    fn heartbeat(&mut self, header: &Header<'_>, heartbeat: &Heartbeat, received_at: i64) {
        self.senders.heartbeat(header, heartbeat, received_at, self.context.replay_window);
    }

    #[inline]
    fn add(&mut self, sample: &Sample<'_>) -> Result<(), &'static str> {
        self.aggregator.add(sample).map_err(|refused| refused.reason())
    }

    fn grown(&mut self, series: &[u8], total: Total, received_at: i64) -> Result<Grown, &'static str> {
        self.senders.totals.grown(series, total, received_at, self.context.windows.series_max)
    }

    fn packet(&mut self, lines: u64) {
        self.aggregator.packet(lines);
    }

    fn bad_line(&mut self) {
        self.aggregator.bad_line();
    }
}

/// First part of a record of datagrams, in the order of the journal.
pub fn enter(record: &Record<'_>, ordered: &mut Ordered, scratch: &mut Scratch, decoded: &mut Decoded) {
    scratch.begin();
    for (index, datagram) in record.datagrams().enumerate() {
        let at = Entry { index, received_at: record.received_at };
        format::enter(record.code, datagram, at, scratch, ordered, decoded);
    }
}

/// Second part, in any order. True if [`settle`] must follow.
pub fn decode(record: &Record<'_>, scratch: &mut Scratch, decoded: &mut Decoded) -> bool {
    for (index, datagram) in record.datagrams().enumerate() {
        let at = Entry { index, received_at: record.received_at };
        format::decode(record.code, datagram, at, scratch, decoded);
    }
    !decoded.samples.is_empty()
}

/// Third part: values that were found out of order go into the open window.
pub fn settle(record: &Record<'_>, ordered: &mut Ordered, decoded: &mut Decoded) {
    decoded.settle(ordered, Entry { index: 0, received_at: record.received_at });
}
