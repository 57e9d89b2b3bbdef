//! What is done with the data folder at the start: it is locked, the receipts are read, the last segment is
//! read back, a new one is begun. Older segments wait as they are.
use crate::config::Config;
use crate::journal::{self, Journal};
use crate::ledger::Receipts;
use crate::replay::{self, Context, Replayed};
use crate::road::Found;
use crate::segment::{Content, Segment, Segments};
use crate::state::Checkpoint;
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// What was wrong with the journal; all of it is counted, and none of it stops the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// A record at the end that was cut off.
    pub torn_tails: u64,
    /// Regions that are no record; their bytes are in `set_aside`.
    pub corrupt_records: u64,
    /// Segments whose checkpoint cannot be read; their files are in `set_aside`.
    pub unreadable_segments: u64,
}

fn receipts_path(data: &Path) -> std::path::PathBuf {
    data.join("receipts.json")
}

/// Replaces the receipts as a whole.
///
/// # Errors
/// Where the disk refuses; the old ones stand.
pub fn write_receipts(data: &Path, receipts: &Receipts) -> io::Result<()> {
    let unfinished = data.join("receipts.json.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(receipts)?)?;
    file.sync_data()?;
    fs::rename(&unfinished, receipts_path(data))?;
    File::open(data)?.sync_all()
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
    let mut list = VecDeque::new();
    for (number, bytes) in present {
        let path = folder.join(journal::file_name(number));
        match replay::checkpoint(&path)? {
            Some((checkpoint, _)) => list.push_back((number, bytes, path, checkpoint)),
            None => {
                tracing::error!("{} has no checkpoint that can be read; it is set aside", path.display());
                damage.unreadable_segments += 1;
                fs::rename(&path, config.data.join("set_aside").join(journal::file_name(number)))?;
            }
        }
    }
    let mut segments = Segments { list: VecDeque::new(), receipts, store };
    let mut state = Checkpoint::empty();
    let mut following: Option<Checkpoint> = None;
    while let Some((number, bytes, path, checkpoint)) = list.pop_back() {
        let segment = match &following {
            Some(next) => older(number, bytes, path, &checkpoint, next),
            None => {
                let (segment, end) = newest(config, number, path, now, &mut damage)?;
                state = end;
                segment
            }
        };
        segments.list.push_front(segment);
        following = Some(checkpoint);
    }
    let sealed_bytes = segments.list.iter().map(|segment| segment.bytes).sum();
    let encoded = state.encode().map_err(io::Error::other)?;
    let journal = Journal::begin(folder.clone(), config.journal.clone(), number, sealed_bytes, &encoded, now)?;
    let path = folder.join(journal::file_name(number));
    segments.list.push_back(Segment { number, path, content: Content::empty(), sealed: None, bytes: 0 });
    write_receipts(&config.data, &segments.receipts)?;
    for retired in segments.take_retired() {
        fs::remove_file(&retired.path)?;
    }
    Ok((Found { journal, checkpoint: state, segments }, damage))
}

/// Where numbering begins in a new data folder: hundredths of a second since 1970. A folder that was lost and
/// made anew so never repeats a number, and no object in the store is overwritten by other rows.
fn first_number(now: i64) -> u64 {
    (now / 10_000).max(1).cast_unsigned()
}

/// A segment that another follows: what it came to is the difference of the two checkpoints.
fn older(number: u64, bytes: u64, path: std::path::PathBuf, begun: &Checkpoint, next: &Checkpoint) -> Segment {
    let closed = |checkpoint: &Checkpoint| checkpoint.totals.values - checkpoint.aggregator.open_values();
    let content = Content {
        messages: next.totals.messages.saturating_sub(begun.totals.messages),
        values: closed(next).saturating_sub(closed(begun)),
        ..Content::default()
    };
    Segment { number, path, content, sealed: Some(next.aggregator.window_end()), bytes }
}

/// The segment that was written last: it is read back whole, cut where its last write was cut off, and sealed.
fn newest(
    config: &Config,
    number: u64,
    path: std::path::PathBuf,
    now: i64,
    damage: &mut Damage,
) -> io::Result<(Segment, Checkpoint)> {
    let bytes = fs::read(&path)?;
    let Replayed { rows, mut windows, mut ordered, totals, corrupt, torn_at, .. } =
        replay::replay(&path, &bytes, &Context::new(config), None)?;
    for region in corrupt {
        let name = format!("{}.{}", journal::file_name(number), region.start);
        fs::write(config.data.join("set_aside").join(name), &bytes[region])?;
        damage.corrupt_records += 1;
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
    let sealed = Some(ordered.aggregator.window_end());
    let bytes = torn_at.unwrap_or(bytes.len()) as u64;
    Ok((Segment { number, path, content, sealed, bytes }, Checkpoint::of(&ordered, totals)))
}
