//! Receipts: how far each sink has got, in one file, rebuilt from the journal if that is lost.
use crate::journal;
use crate::journal::begin::Begin;
use crate::ledger::Receipts;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn path(data: &Path) -> PathBuf {
    data.join("receipts.json")
}

/// Replaces the receipts as a whole.
///
/// # Errors
/// If the disk refuses; what is there then is what [`journal::replace`] leaves.
pub fn write_receipts(data: &Path, receipts: &Receipts) -> io::Result<()> {
    journal::replace(&path(data), &serde_json::to_vec_pretty(receipts)?)
}

/// Reads the receipts; `None` if there are none that can be read. An unreadable file is kept in `set_aside`.
///
/// # Errors
/// If the disk refuses.
pub fn read_receipts(data: &Path) -> io::Result<Option<Receipts>> {
    let path = path(data);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    };
    match serde_json::from_slice(&bytes) {
        Ok(receipts) => Ok(Some(receipts)),
        Err(error) => {
            let kept = data.join("set_aside").join("receipts.json");
            tracing::error!(
                "{} cannot be read ({error}); it is kept as {} and rebuilt from the journal",
                path.display(),
                kept.display()
            );
            fs::rename(&path, kept)?;
            Ok(None)
        }
    }
}

/// The receipts of these sinks. Without any on disk, everything before the first segment counts as stored: a segment's
/// file goes only when every sink has it.
pub fn for_sinks(
    read: Option<Receipts>,
    sinks: &[&'static str],
    store: &str,
    first: Option<u64>,
    begin: Option<&Begin>,
    now: i64,
) -> Receipts {
    // A new sink does not get segments that the others have released; a removed sink is no longer waited for.
    let before = first.unwrap_or_else(|| first_number(now)) - 1;
    let mut receipts = match (read, begin) {
        (Some(receipts), _) => receipts,
        (None, Some(begin)) => {
            let Receipts { set_aside, missing, .. } = begin.receipts;
            let stored = begin.closed_facts().saturating_sub(set_aside);
            if stored > 0 {
                tracing::error!(
                    "receipts.json is missing: everything before segment {} counts as stored ({stored} messages); \
                     everything in the journal is offered to every sink again",
                    before + 1
                );
            }
            Receipts { stored, set_aside, missing, ..Receipts::default() }
        }
        (None, None) => Receipts::default(),
    };
    receipts.sinks.retain(|sink, _| sinks.contains(&sink.as_str()) || sink == store);
    for sink in sinks {
        receipts.sinks.entry((*sink).to_owned()).or_insert(before);
    }
    receipts
}

/// Where numbering begins in a new data folder: hundredths of a second since 1970. A folder that was lost and
/// recreated therefore never repeats a number, and no object in the store is overwritten by other rows.
fn first_number(now: i64) -> u64 {
    (now / 10_000).max(1).cast_unsigned()
}
