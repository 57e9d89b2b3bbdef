//! What is done with the data folder at the start: it is locked, the receipts are read, the last segment is
//! read back, a new one is begun. Older segments wait as they are.
use crate::config::Config;
use crate::journal::record::{FILE_MAGIC, Read, read};
use crate::journal::{self, Journal};
use crate::ledger::{Receipts, Totals};
use crate::replay::{self, Replayed, Sealed};
use crate::reserve::Reserve;
use crate::road::Found;
use crate::segment::{Content, Segment, Segments};
use crate::state::{Checkpoint, Context};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// What was wrong with the journal; all of it is counted, and none of it stops the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// A record at the end that was cut off.
    pub torn_tails: u64,
    /// Checkpoints that were corrupt and are made anew; their bytes are in `set_aside`.
    pub healed: u64,
    /// Segments of another version, or without anything that could be read; their files are in `set_aside`.
    pub unreadable_segments: u64,
}

fn receipts_path(data: &Path) -> std::path::PathBuf {
    data.join("receipts.json")
}

/// Replaces the receipts as a whole.
///
/// # Errors
/// Where the disk refuses; what is there then is what [`journal::replace`] leaves.
pub fn write_receipts(data: &Path, receipts: &Receipts) -> io::Result<()> {
    journal::replace(&receipts_path(data), &serde_json::to_vec_pretty(receipts)?)
}

fn read_receipts(data: &Path) -> io::Result<Receipts> {
    match fs::read(receipts_path(data)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Receipts::default()),
        Err(error) => Err(error),
    }
}

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

/// Reads the data folder and begins a new segment. `sinks` are those that segments must wait for, `store` the
/// one whose receipt makes a message stored.
///
/// # Errors
/// Where the disk refuses. Damage is no error.
pub fn open(config: &Config, sinks: &[&'static str], store: &'static str, now: i64) -> io::Result<(Found, Damage)> {
    let folder = config.data.join("journal");
    let mut receipts = read_receipts(&config.data)?;
    let mut damage = Damage::default();
    let present = journal::segments(&folder)?;
    // A sink that is new waits for nothing that others already let go; one that is gone is waited for no more.
    let before = present.first().map_or_else(|| first_number(now), |(number, _)| *number) - 1;
    receipts.sinks.retain(|sink, _| sinks.contains(&sink.as_str()));
    for sink in sinks {
        receipts.sinks.entry((*sink).to_owned()).or_insert(before);
    }
    let known = present.iter().map(|(number, _)| *number).chain(receipts.sinks.values().copied());
    let number = known.max().unwrap_or_default() + 1;
    let reserve = Reserve::new(&config.data);
    let mut list: VecDeque<OnDisk> = VecDeque::new();
    for (number, bytes) in present {
        let path = folder.join(journal::file_name(number));
        let found = match replay::checkpoint(&path)? {
            Some((begun, _)) => Some(OnDisk { number, bytes, path: path.clone(), begun, healed: false }),
            None => {
                let stored = receipts.sinks.get(store).copied().unwrap_or_default();
                reserve.with(|| heal(config, &receipts, stored, number, &path, list.back()))?
            }
        };
        match found {
            Some(found) => {
                damage.healed += u64::from(found.healed);
                list.push_back(found);
            }
            None => {
                tracing::error!("{} has no checkpoint that can be read; it is set aside", path.display());
                damage.unreadable_segments += 1;
                fs::rename(&path, config.data.join("set_aside").join(journal::file_name(number)))?;
            }
        }
    }
    let mut segments = Segments { list: VecDeque::new(), receipts, store };
    let mut state = Checkpoint::empty(Context::new(config));
    let mut following: Option<Checkpoint> = None;
    while let Some(found) = list.pop_back() {
        let begun = found.begun.clone();
        let segment = match &following {
            Some(next) => older(found, next)?,
            None => {
                let (segment, end) = newest(config, found, now, &mut damage)?;
                state = end;
                segment
            }
        };
        segments.list.push_front(segment);
        following = Some(begun);
    }
    (state.context, state.by_start) = (Context::new(config), true);
    if damage.healed + damage.unreadable_segments > 0 {
        reconcile(&mut state.totals, state.aggregator.open_values(), damage.healed, &mut segments);
    }
    let sealed_bytes = segments.list.iter().map(|segment| segment.bytes).sum();
    let encoded = state.encode().map_err(io::Error::other)?;
    let begin = || Journal::begin(folder.clone(), config.journal.clone(), number, sealed_bytes, &encoded, now);
    let mut journal = reserve.with(begin)?;
    let path = folder.join(journal::file_name(number));
    segments.list.push_back(Segment { number, path, content: Content::empty(), sealed: None, bytes: 0 });
    reserve.with(|| write_receipts(&config.data, &segments.receipts))?;
    for retired in segments.take_retired() {
        fs::remove_file(&retired.path)?;
        journal.removed(retired.bytes);
    }
    Ok((Found { journal, checkpoint: state, segments, reserve }, damage))
}

/// A segment as it is found.
struct OnDisk {
    number: u64,
    bytes: u64,
    path: PathBuf,
    /// The state at its beginning.
    begun: Checkpoint,
    /// That state was made anew, and tells nothing of what the segment came to.
    healed: bool,
}

/// Damage takes counts with it. What was received and is found nowhere is in the files that were set aside; what is
/// found and was not counted is counted now.
fn reconcile(totals: &mut Totals, open_values: u64, healed: u64, segments: &mut Segments) {
    totals.corrupt_records += healed;
    let receipts = &mut segments.receipts;
    let found = totals.rejected() + totals.dropped + receipts.stored + receipts.set_aside + totals.corrupt_records;
    let found = found + segments.held() + open_values;
    tracing::warn!("damage: {} messages were counted, {found} are found; the ledger follows", totals.received);
    segments.receipts.set_aside += totals.received.saturating_sub(found);
    totals.received = totals.received.max(found);
}

/// Where numbering begins in a new data folder: hundredths of a second since 1970. A folder that was lost and
/// made anew so never repeats a number, and no object in the store is overwritten by other rows.
fn first_number(now: i64) -> u64 {
    (now / 10_000).max(1).cast_unsigned()
}

/// A segment that another follows: what it came to is the difference of the two checkpoints.
fn older(found: OnDisk, next: &Checkpoint) -> io::Result<Segment> {
    let OnDisk { number, bytes, path, begun, healed } = found;
    let sealed = Sealed { until: next.aggregator.window_end(), by_start: next.by_start };
    let closed = |checkpoint: &Checkpoint| checkpoint.totals.values - checkpoint.aggregator.open_values();
    let mut content = Content {
        messages: next.totals.messages.saturating_sub(begun.totals.messages),
        values: closed(next).saturating_sub(closed(&begun)),
        ..Content::default()
    };
    if healed {
        let Replayed { rows, windows, .. } = replay::replay(&path, &fs::read(&path)?, Some(sealed))?;
        content = Content::of(rows, windows).map_err(io::Error::other)?;
        content.evict();
    }
    Ok(Segment { number, path, content, sealed: Some(sealed), bytes })
}

/// A segment whose first record, the checkpoint, is corrupt gets another one: of what the segment before it came
/// to, or else of nothing. So everything behind it can be read. `stored` is the last segment that the store has.
fn heal(
    config: &Config,
    receipts: &Receipts,
    stored: u64,
    number: u64,
    path: &Path,
    before: Option<&OnDisk>,
) -> io::Result<Option<OnDisk>> {
    let bytes = fs::read(path)?;
    let head = FILE_MAGIC.len().min(bytes.len());
    let corrupt = match read(&bytes[head..]) {
        Some(Read::Corrupt(region)) => region.len(),
        Some(Read::Torn(length)) => length,
        Some(Read::Record(..)) | None => return Ok(None),
    };
    let begun = match before {
        Some(before) => {
            let Replayed { mut ordered, totals, .. } = replay::replay(&before.path, &fs::read(&before.path)?, None)?;
            // Whether the last window closed before or behind the seal, only the counts of what is stored can tell.
            let all_stored = receipts.stored + receipts.set_aside >= totals.messages + totals.values;
            if stored == before.number && all_stored {
                let _ = ordered.aggregator.close(ordered.aggregator.window_end());
            }
            Checkpoint::of(&ordered, totals)
        }
        None => Checkpoint::empty(Context::new(config)),
    };
    let rest = &bytes[head + corrupt..];
    let begun_at = match read(rest) {
        Some(Read::Record(record, _)) => record.received_at,
        _ => crate::road::now(),
    };
    let anew = journal::head(&begun.encode().map_err(io::Error::other)?, begun_at);
    tracing::error!("the checkpoint of {} is corrupt; it is set aside and made anew", path.display());
    keep_region(config, number, 0, &bytes[head..head + corrupt])?;
    let healed = [&anew, rest].concat();
    journal::replace(path, &healed)?;
    Ok(Some(OnDisk { number, bytes: healed.len() as u64, path: path.to_owned(), begun, healed: true }))
}

/// Bytes of a segment that are no record, for a human; `metlog decode` takes them as a segment.
pub fn keep_region(config: &Config, number: u64, at: usize, region: &[u8]) -> io::Result<()> {
    let path = config.data.join("set_aside").join(format!("{}.{at}", journal::file_name(number)));
    fs::write(path, [&FILE_MAGIC[..], region].concat())
}

/// The segment that was written last: it is read back whole, cut where its last write was cut off, and sealed.
fn newest(config: &Config, found: OnDisk, now: i64, damage: &mut Damage) -> io::Result<(Segment, Checkpoint)> {
    let OnDisk { number, path, .. } = found;
    let bytes = fs::read(&path)?;
    let Replayed { rows, mut windows, mut ordered, totals, corrupt, torn_at, .. } =
        replay::replay(&path, &bytes, None)?;
    for region in corrupt {
        keep_region(config, number, region.start, &bytes[region])?;
    }
    if let Some(at) = torn_at {
        File::options().write(true).open(&path)?.set_len(at as u64)?;
        damage.torn_tails += 1;
    }
    // No value came after its last record: the window that was open then is over.
    if ordered.aggregator.window_end() <= now {
        windows.extend(ordered.aggregator.close(now).map(std::sync::Arc::new));
    }
    let content = Content::of(rows, windows).map_err(io::Error::other)?;
    let sealed = Some(Sealed { until: ordered.aggregator.window_end(), by_start: true });
    let bytes = torn_at.unwrap_or(bytes.len()) as u64;
    Ok((Segment { number, path, content, sealed, bytes }, Checkpoint::of(&ordered, totals)))
}
