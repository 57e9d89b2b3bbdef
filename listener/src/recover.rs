//! What is done with the data folder at the start: it is locked, receipts and segments are read, the last segment is
//! read back, a new one is begun. Older segments wait as they are.
//!
//! Whatever is missing or damaged is said with its name and its count, and never stops the start: counts that nothing
//! on disk explains are *missing*.
pub mod again;
mod damage;
mod receipts;

pub use damage::Damage;
pub use receipts::write_receipts;

use crate::aggregate::{Aggregator, Closer};
use crate::config::Config;
use crate::journal::begin::{Begin, Context};
use crate::journal::record::{Framing, Read, length_of, read};
use crate::journal::reserve::Reserve;
use crate::journal::state_file::{self, StateAt};
use crate::journal::{self, Journal, Spare};
use crate::ledger::{Receipts, Totals};
use crate::ordered::Ordered;
use crate::pipeline::Found;
use crate::replay::{self, Head, Missing, Replayed, Sealed};
use crate::segment::{Bounded, Content, Segment, Segments};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Keeps others out of the data folder for as long as the file lives.
///
/// # Errors
/// Where another process has it, or the folder cannot be made.
pub fn lock(data: &Path) -> io::Result<File> {
    for folder in ["journal", "set_aside"] {
        fs::create_dir_all(data.join(folder))?;
    }
    let file = File::create(data.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let taken = format!("{} is in use by another metlog; give each its own `data`", data.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, taken))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A segment as it is found.
struct OnDisk {
    number: u64,
    /// Of the file and its state.
    bytes: u64,
    path: PathBuf,
    head: Head,
    /// The head was rebuilt, and does not say how the segment ended.
    healed: bool,
    has_state: bool,
}

/// Reads the data folder and begins a new segment. `sinks` are those that segments must wait for, `store` the
/// one whose receipt makes a message stored.
///
/// # Errors
/// Where the disk refuses. Damage is no error.
pub fn open(config: &Config, sinks: &[&'static str], store: &'static str, now: i64) -> io::Result<(Found, Damage)> {
    let folder = config.data.join("journal");
    let mut damage = Damage::default();
    let reserve = Reserve::new(&config.data);
    let read = receipts::read_receipts(&config.data)?;
    let list = on_disk(config, &folder, &read, store, &reserve, &mut damage)?;
    let first = list.front().map(|segment| &segment.head.begin);
    let mut receipts = receipts::for_sinks(read, sinks, store, list.front().map(|front| front.number), first, now);
    let known = list.iter().map(|segment| segment.number).chain(receipts.sinks.values().copied());
    let number = known.max().unwrap_or_default() + 1;
    receipts.sinks.values_mut().for_each(|last| *last = (*last).min(number - 1));
    damage::say_gaps(&list.iter().map(|segment| segment.number).collect::<Vec<_>>(), &receipts, store);
    let mut segments = Segments { list: VecDeque::new(), receipts, store };
    let mut last = Last::empty(config, now);
    let mut following: Option<(Begin, u64)> = None;
    for found in list.into_iter().rev() {
        let begin = (found.head.begin.clone(), found.number);
        let is_delivered = segments.receipts.sinks.values().any(|last| *last >= found.number);
        let segment = match &following {
            Some((next, number)) => older(&folder, found, next, *number)?,
            None => {
                let (segment, end) = newest(config, &folder, found, is_delivered, now, &mut damage)?;
                last = end;
                segment
            }
        };
        segments.list.push_front(segment);
        following = Some(begin);
    }
    let open_values = last.open_values();
    damage::reconcile(&mut last.totals, open_values, damage.healed, &mut segments);
    begin(config, &folder, number, segments, last, reserve, now).map(|found| (found, damage))
}

/// The state that the new segment begins with.
struct Last {
    ordered: Ordered,
    closer: Closer,
    totals: Totals,
}

impl Last {
    fn empty(config: &Config, now: i64) -> Last {
        Last::of(config, StateAt::default(), Totals::default(), now)
    }

    /// From here on everything is as it is configured now; the open window keeps what it was begun with.
    fn of(config: &Config, state: StateAt, totals: Totals, now: i64) -> Last {
        let context = Context::new(config);
        let (aggregator, closer) =
            Aggregator::new(context.windows.clone(), context.hostname.clone(), state.aggregate, now);
        Last { ordered: Ordered { senders: state.senders, aggregator, context, is_v1: false }, closer, totals }
    }

    fn open_values(&self) -> u64 {
        self.ordered.aggregator.open_values()
    }
}

fn begin(
    config: &Config,
    folder: &Path,
    number: u64,
    mut segments: Segments,
    mut last: Last,
    reserve: Reserve,
    now: i64,
) -> io::Result<Found> {
    let state =
        StateAt { aggregate: last.closer.state(&last.ordered.aggregator.cut()), senders: last.ordered.senders.clone() };
    // Before the segment: one that has its name has its state.
    let state_bytes = reserve.with(|| state_file::write(folder, number, &state))?;
    let record = Begin {
        context: last.ordered.context.clone(),
        by_start: true,
        totals: last.totals.clone(),
        open_values: last.open_values(),
        window_end: last.ordered.aggregator.window_end(),
        window_serial: last.ordered.aggregator.window_serial(),
        receipts: segments.receipts.clone(),
    };
    let other_bytes = segments.list.iter().map(|segment| segment.bytes).sum::<u64>() + state_bytes;
    let start = || {
        let spare = Spare::new(folder, number)?;
        Journal::begin(config.journal.clone(), spare, other_bytes, &record, now)
    };
    let mut journal = reserve.with(start)?;
    let mut active = Segment::new(number, journal::path(folder, number));
    (active.has_state, active.bytes) = (true, state_bytes);
    segments.list.push_back(active);
    reserve.with(|| write_receipts(&config.data, &segments.receipts))?;
    for retired in segments.take_retired() {
        if let Err(error) = remove(folder, &retired) {
            tracing::warn!("{} cannot be removed: {error}", retired.path.display());
        }
        journal.removed(retired.bytes);
    }
    Ok(Found { journal, ordered: last.ordered, closer: last.closer, totals: last.totals, segments, reserve })
}

/// Removes a segment's file and its state.
///
/// # Errors
/// Where the disk refuses.
pub fn remove(folder: &Path, segment: &Segment) -> io::Result<()> {
    for path in [segment.path.clone(), state_file::path(folder, segment.number)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    Ok(())
}

/// The segments that can be read, oldest first; files that never became segments are removed, those that nothing
/// can be read of are set aside.
fn on_disk(
    config: &Config,
    folder: &Path,
    receipts: &Option<Receipts>,
    store: &str,
    reserve: &Reserve,
    damage: &mut Damage,
) -> io::Result<VecDeque<OnDisk>> {
    let mut list: VecDeque<OnDisk> = VecDeque::new();
    let states: Vec<(u64, u64)> = journal::list(folder, ".state")?;
    for (number, bytes) in journal::segments(folder)? {
        let path = journal::path(folder, number);
        let state_bytes = states.iter().find(|(of, _)| *of == number).map(|(_, bytes)| *bytes);
        let bytes = bytes + state_bytes.unwrap_or_default();
        let found = match replay::head(&path)? {
            Some(head) => {
                let has_state = head.state.is_some() || state_bytes.is_some();
                Some(OnDisk { number, bytes, path: path.clone(), head, healed: false, has_state })
            }
            // A file that was made for the next segment, or whose first record was cut off: nothing was in it.
            None if is_unused(&path)? => {
                fs::remove_file(&path)?;
                continue;
            }
            None => {
                let stored = receipts.as_ref().and_then(|receipts| receipts.sinks.get(store)).copied();
                let receipts = receipts.clone().unwrap_or_default();
                let stored = stored.unwrap_or_default();
                reserve.with(|| heal(config, &receipts, stored, number, &path, list.back()))?
            }
        };
        match found {
            Some(found) => {
                damage.healed += u64::from(found.healed);
                list.push_back(found);
            }
            None => {
                tracing::error!("the first record of {} cannot be read; the segment is set aside", path.display());
                damage.unreadable_segments += 1;
                fs::rename(&path, config.data.join("set_aside").join(journal::file_name(number)))?;
            }
        }
    }
    for (number, _) in states {
        if !list.iter().any(|segment| segment.number == number) {
            let _ = fs::remove_file(state_file::path(folder, number));
        }
    }
    Ok(list)
}

/// True for a file without a single whole record whose first was cut off while it was written.
fn is_unused(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    if bytes.len() < 16 {
        return Ok(true);
    }
    let Some((framing, start)) = Framing::of(&bytes).filter(|(framing, _)| !framing.is_v1()) else { return Ok(false) };
    let rest = &bytes[start..];
    // Its write was cut off, or a power cut left zeros in its place. Anything else was something once.
    let is_cut = length_of(rest).is_none_or(|length| rest.len() < length) && framing.begins(rest);
    let is_alone = !matches!(read(framing, rest), Some(Read::Record(..) | Read::Corrupt(_)));
    Ok(is_alone && (is_cut || rest.iter().all(|byte| *byte == 0)))
}

/// A segment that another follows: what it came to is the difference of the counts at their begins.
fn older(folder: &Path, found: OnDisk, next: &Begin, next_number: u64) -> io::Result<Segment> {
    let OnDisk { number, bytes, path, head, healed, has_state } = found;
    let sealed = next.sealed();
    let mut facts = next.closed_facts().saturating_sub(head.begin.closed_facts());
    // Where segments between the two are gone, the difference is not this one's.
    if healed || next_number != number + 1 {
        facts = replay::segment_from(folder, number, Some(sealed), Missing::BeginsAnew, &mut replay::Nothing)?.facts;
    }
    let content = Content::cold(facts);
    Ok(Segment { content, sealed: Some(sealed), bytes, has_state, ..Segment::new(number, path) })
}

/// A segment whose first record is corrupt, or of a later version, gets another one: of what the segment before it came
/// to, or else of nothing. So everything behind it can be read. `stored` is the last segment that the store has.
fn heal(
    config: &Config,
    receipts: &Receipts,
    stored: u64,
    number: u64,
    path: &Path,
    before: Option<&OnDisk>,
) -> io::Result<Option<OnDisk>> {
    let folder = config.data.join("journal");
    let bytes = fs::read(path)?;
    // A header that cannot be read hides the salt, so no record can be found.
    let Some((framing, start)) = Framing::of(&bytes) else { return Ok(None) };
    let first = match read(framing, &bytes[start..]) {
        Some(Read::Corrupt(region)) => region.len(),
        Some(Read::Record(_, length)) => length,
        Some(Read::Torn(length)) => length,
        None => return Ok(None),
    };
    let on_disk = state_file::read(&folder, number);
    let (made, totals) = match before {
        Some(before) => {
            let mut replayed =
                replay::segment_from(&folder, before.number, None, Missing::BeginsAnew, &mut replay::Nothing)?;
            // Whether the last window closed before or behind the seal, only the counts of what is stored can tell.
            let all_stored = receipts.stored + receipts.set_aside >= replayed.totals.facts;
            if stored == before.number && all_stored {
                let end = replayed.ordered.aggregator.window_end();
                replayed.close_window(end, &mut replay::Nothing)?;
            }
            let totals = replayed.totals.clone();
            (replayed.state(), totals)
        }
        None => (StateAt::default(), Totals::default()),
    };
    // The state lies beside, and may be whole.
    let state = on_disk.unwrap_or(made);
    let rest = &bytes[start + first..];
    let begun_at = match read(framing, rest) {
        Some(Read::Record(record, _)) => record.received_at,
        _ => crate::clock::wall(),
    };
    let begin = Begin {
        context: before.map_or_else(|| Context::new(config), |before| before.head.begin.context.clone()),
        by_start: false,
        totals,
        open_values: state.aggregate.open_values(),
        window_end: state.aggregate.window_end(),
        window_serial: state.aggregate.window_serial(),
        receipts: receipts.clone(),
    };
    tracing::error!("the first record of {} cannot be read; it is set aside and rebuilt", path.display());
    damage::keep_region(config, number, 0, framing, &bytes[start..start + first])?;
    let mut builder = journal::record::Builder::of(journal::record::code::BEGIN, &begin.encode());
    let healed = [&framing.head()[..], builder.finish(framing, begun_at), rest].concat();
    let state_bytes = state_file::write(&folder, number, &state)?;
    journal::replace(path, &healed)?;
    let head = Head { begin, state: None, begun_at };
    let bytes = healed.len() as u64 + state_bytes;
    Ok(Some(OnDisk { number, bytes, path: path.to_owned(), head, healed: true, has_state: true }))
}

/// The segment that was written last: it is read back whole, cut where its last write was cut off, and sealed.
fn newest(
    config: &Config,
    folder: &Path,
    found: OnDisk,
    is_delivered: bool,
    now: i64,
    damage: &mut Damage,
) -> io::Result<(Segment, Last)> {
    let OnDisk { number, path, has_state, bytes, .. } = found;
    if !has_state && replay::state_at(folder, number)?.is_none() {
        tracing::error!("the start state of {} is lost: series and senders start afresh", path.display());
    }
    let mut kept = Bounded { content: Content::empty(), bytes_max: config.memory_bytes };
    let mut replayed = replay::segment_from(folder, number, None, Missing::BeginsAnew, &mut kept)?;
    let file = fs::read(&path)?;
    let framing = Framing::of(&file).map_or(Framing::V1, |(framing, _)| framing);
    for region in &replayed.corrupt {
        damage::keep_region(config, number, region.start, framing, &file[region.clone()])?;
    }
    damage::keep_unknown(config, number, framing, &file, &replayed.unknown)?;
    let torn = replayed.torn_at.map_or(0, |at| file.len() - at);
    if let Some(at) = replayed.torn_at {
        File::options().write(true).open(&path)?.set_len(at as u64)?;
        damage.torn_tails += 1;
    }
    drop(file);
    // What is counted from here on must not be lost to a power cut.
    File::open(&path)?.sync_all()?;
    // No value came after its last record: the window that was open then is over. Where a sink has the segment already,
    // as before a power cut that took the next one, the window goes on into the new segment: that sink has not had it.
    if !is_delivered && replayed.ordered.aggregator.window_end() <= now {
        replayed.close_window(now, &mut kept)?;
    }
    let state = replayed.state();
    let Replayed { totals, facts, .. } = replayed;
    let last = Last::of(config, state, totals, now);
    let sealed = Some(Sealed {
        serial: last.ordered.aggregator.window_serial(),
        until: last.ordered.aggregator.window_end(),
        by_start: true,
    });
    kept.content.facts = facts;
    let bytes = bytes - torn as u64;
    Ok((Segment { content: kept.content, sealed, bytes, has_state, ..Segment::new(number, path) }, last))
}
