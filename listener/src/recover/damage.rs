//! What was wrong with the data folder: kept for an operator, counted, and said.
use crate::config::Config;
use crate::journal;
use crate::journal::begin::{Begin, Context};
use crate::journal::record::{Builder, Framing, code};
use crate::ledger::{Receipts, Totals};
use crate::segment::Segments;
use std::fs;
use std::io;
use std::ops::Range;

/// What was wrong with the journal; all of it is counted, and none of it stops the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// A record at the end that was cut off.
    pub torn_tails: u64,
    /// Segments whose first record was corrupt and was rebuilt; its bytes are in `set_aside`.
    pub healed: u64,
    /// Segments without anything that could be read; their files are in `set_aside`.
    pub unreadable_segments: u64,
}

/// Logs which segments are missing between the existing ones, or since the last one that the store received.
pub fn say_gaps(numbers: &[u64], receipts: &Receipts, store: &str) {
    let stored = receipts.sinks.get(store).copied().unwrap_or_default();
    let mut due = stored + 1;
    for number in numbers {
        if *number > due {
            let last = number - 1;
            tracing::error!("journal segments {due} to {last} are missing: their files are gone from `journal`");
        }
        due = due.max(number + 1);
    }
}

/// Makes the ledger balance again, whatever happened to the disk: received messages that cannot be found are counted as
/// missing, and messages found but not counted are counted now.
pub fn reconcile(totals: &mut Totals, open_values: u64, healed: u64, segments: &mut Segments) {
    totals.corrupt_records += healed;
    totals.received += healed;
    let receipts = &segments.receipts;
    let unknown = totals.unknown_records - receipts.recovered_records.min(totals.unknown_records);
    let aside = receipts.set_aside + totals.corrupt_records + unknown;
    let found = totals.rejected() + totals.dropped + receipts.stored + aside + segments.held() + open_values;
    let received = totals.received + receipts.recovered_more;
    if received == found {
        return;
    }
    let missing = received.saturating_sub(found);
    let uncounted = found.saturating_sub(received);
    tracing::error!(
        "the data folder is damaged: {missing} received messages are missing, {uncounted} were not counted; \
         the ledger counts the missing ones as `missing`, a part of `set_aside`"
    );
    segments.receipts.set_aside += missing;
    segments.receipts.missing += missing;
    totals.received += uncounted;
}

/// Keeps bytes of a segment that are not a record, for an operator; `metlog decode` reads them as a segment.
///
/// # Errors
/// If the disk refuses.
pub fn keep_region(config: &Config, number: u64, at: usize, framing: Framing, region: &[u8]) -> io::Result<()> {
    let path = config.data.join("set_aside").join(format!("{}.{at}", journal::file_name(number)));
    fs::write(path, [&framing.head()[..], region].concat())
}

/// Keeps records of a newer program in a segment of their own, which `metlog recover` of that program can offer again.
///
/// # Errors
/// If the disk refuses.
pub fn keep_unknown(
    config: &Config,
    number: u64,
    framing: Framing,
    segment: &[u8],
    places: &[Range<usize>],
) -> io::Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let begin = Begin {
        context: Context::new(config),
        by_start: true,
        totals: Totals::default(),
        open_values: 0,
        window_end: 0,
        window_serial: 0,
        receipts: Receipts::default(),
    };
    let mut bytes = framing.head();
    bytes.extend_from_slice(Builder::of(code::BEGIN, &begin.encode()).finish(framing, 0));
    places.iter().for_each(|place| bytes.extend_from_slice(&segment[place.clone()]));
    let path = config.data.join("set_aside").join(format!("{}.newer", journal::file_name(number)));
    tracing::error!(
        "{} records of {} were written by a newer program: they are kept in {}",
        places.len(),
        journal::file_name(number),
        path.display()
    );
    fs::write(path, bytes)
}
