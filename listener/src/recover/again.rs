//! Segments that were set aside, offered to the store again: nothing that was set aside is a dead end.
//!
//! A segment goes to the store under its own number, so what of it is there already overwrites itself. Records that an
//! older program could not read go under the listener's name with `.recovered` behind it.
use super::{lock, receipts};
use crate::config::Config;
use crate::journal::{self, state_file};
use crate::ledger::Receipts;
use crate::pipeline::batch_of;
use crate::replay::{self, Sealed};
use metlog_schemas::object_path::LISTENER_BYTES_MAX;
use metlog_sink::Sink;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is known of a segment that was set aside: in a file beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The sink that it was not delivered to.
    pub sink: String,
    /// Messages that count as set aside for it.
    pub messages: u64,
    /// Messages of it that were stored all the same.
    #[serde(default)]
    pub stored: u64,
    /// Where it ends.
    pub sealed: Sealed,
    /// Why it was set aside.
    pub why: String,
}

impl Kept {
    fn path(folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("segment-{number:012}.json"))
    }

    /// Gives the segment's file and its state second names in `set_aside`, and writes this beside.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn keep(&self, data: &Path, number: u64) -> io::Result<()> {
        let (journal, folder) = (data.join("journal"), data.join("set_aside"));
        for path in [journal::path(&journal, number), state_file::path(&journal, number)] {
            let Some(name) = path.file_name() else { continue };
            match fs::hard_link(&path, folder.join(name)) {
                Err(error) if !matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                    return Err(error);
                }
                _ => (),
            }
        }
        journal::replace(&Kept::path(&folder, number), &serde_json::to_vec_pretty(self)?)
    }

    fn read(folder: &Path, number: u64) -> Option<Kept> {
        serde_json::from_slice(&fs::read(Kept::path(folder, number)).ok()?).ok()
    }
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The file in `set_aside`.
    pub file: PathBuf,
    /// Messages that are now in the store.
    pub stored: u64,
    /// Why it is still set aside; `None`: it was removed.
    pub left: Option<String>,
}

/// Offers everything in `set_aside` to the store. No other process may use the data folder meanwhile.
///
/// # Errors
/// If the folder is in use, or the disk refuses.
pub async fn offer_again(config: &Config, store: &mut dyn Sink) -> io::Result<Vec<Offered>> {
    let _lock = lock(&config.data)?;
    let folder = config.data.join("set_aside");
    let mut receipts = receipts::read_receipts(&config.data)?.unwrap_or_default();
    let mut offered = Vec::new();
    let mut names: Vec<String> =
        fs::read_dir(&folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let file = folder.join(&name);
        let done = if let Some(number) = journal::number_of(&name, ".mlj") {
            segment(config, number, store, &mut receipts).await?
        } else if let Some(number) = journal::number_of(&name, ".mlj.newer") {
            newer(config, number, &file, store, &mut receipts).await?
        } else {
            continue;
        };
        offered.push(Offered { file, ..done });
    }
    Ok(offered)
}

fn left(why: impl ToString) -> Offered {
    Offered { file: PathBuf::new(), stored: 0, left: Some(why.to_string()) }
}

async fn segment(config: &Config, number: u64, store: &mut dyn Sink, receipts: &mut Receipts) -> io::Result<Offered> {
    let folder = config.data.join("set_aside");
    let kept = Kept::read(&folder, number);
    if let Some(kept) = kept.as_ref().filter(|kept| kept.sink != store.name()) {
        return Ok(left(format!("it is stored, but was not delivered to the sink `{}`: {}", kept.sink, kept.why)));
    }
    let mut found = replay::Kept::default();
    let sealed = kept.as_ref().map(|kept| kept.sealed);
    let facts = match replay::segment(&folder, number, sealed, &mut found) {
        Ok(replayed) => replayed.facts,
        Err(error) => return Ok(left(error)),
    };
    let batch = batch_of(config.name.as_str().into(), number, found.rows, found.windows);
    if let Err(error) = store.write(&batch).await {
        return Ok(left(error));
    }
    // The messages of a segment without a description file were never counted. What an earlier run moved is not moved again.
    let name = journal::file_name(number);
    let (counted, before) = kept.map_or((0, 0), |kept| (kept.messages, kept.stored));
    let recovered = facts.saturating_sub(before).min(counted);
    let stored = recovered.saturating_sub(receipts.recovered.get(&name).copied().unwrap_or_default());
    receipts.set_aside = receipts.set_aside.saturating_sub(stored);
    receipts.stored += stored;
    receipts.recovered.insert(name.clone(), recovered);
    receipts::write_receipts(&config.data, receipts)?;
    if recovered < counted {
        return Ok(Offered { stored, ..left(format!("{} of its messages cannot be read", counted - recovered)) });
    }
    for path in [journal::path(&folder, number), state_file::path(&folder, number), Kept::path(&folder, number)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    Ok(Offered { file: PathBuf::new(), stored, left: None })
}

/// Records that the program which set them aside could not read.
async fn newer(
    config: &Config,
    number: u64,
    file: &Path,
    store: &mut dyn Sink,
    receipts: &mut Receipts,
) -> io::Result<Offered> {
    let (bytes, mut found) = (fs::read(file)?, replay::Kept::default());
    let replayed = match replay::replay(&bytes, Default::default(), None, &mut found) {
        Ok(mut replayed) if replayed.unknown.is_empty() => {
            let end = replayed.ordered.aggregator.window_end();
            replayed.close_window(end, &mut found)?;
            replayed
        }
        Ok(replayed) => {
            return Ok(left(format!("{} of its records still need a newer program", replayed.unknown.len())));
        }
        Err(error) => return Ok(left(error)),
    };
    let name = &config.name[..config.name.len().min(LISTENER_BYTES_MAX - RECOVERED.len())];
    let batch = batch_of(format!("{name}{RECOVERED}").into(), number, found.rows, found.windows);
    if let Err(error) = store.write(&batch).await {
        return Ok(left(error));
    }
    let records = replay::count_records(&bytes).saturating_sub(1);
    let key = format!("{}.newer", journal::file_name(number));
    if receipts.recovered.insert(key, replayed.facts).is_none() {
        receipts.recovered_records += records;
        receipts.recovered_more += replayed.facts.saturating_sub(records);
        receipts.stored += replayed.facts;
        receipts::write_receipts(&config.data, receipts)?;
    }
    fs::remove_file(file)?;
    Ok(Offered { file: PathBuf::new(), stored: replayed.facts, left: None })
}

/// Suffix of the listener's name in the names of such objects.
const RECOVERED: &str = ".recovered";
