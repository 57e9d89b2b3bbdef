//! The journal: what the sockets gave, on disk before anything else can fail.
//!
//! A **segment** is a file of records; the newest one is written, the older ones are *sealed* and wait for
//! the sinks. Every segment begins with a checkpoint, so each can be read without those before it. This file
//! owns the files; `record` owns their format; what the records mean is decided by `replay`.
pub mod record;

use crate::config::JournalConfig;
use record::{FILE_MAGIC, Kind};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an append did not happen. The journal is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The disk budget is used up.
    #[error("the journal has reached its disk budget")]
    Budget,
    /// The disk refused.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// The folder of segments and the one that is written.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    config: JournalConfig,
    segment: u64,
    file: Arc<File>,
    bytes: u64,
    sealed_bytes: u64,
    /// The file has bytes that were not synced.
    dirty: bool,
    /// Sealed files that had some.
    unsynced: Vec<Arc<File>>,
    last_received_at: i64,
}

/// The file name of a segment: zero padded, so that name order is number order.
pub fn file_name(segment: u64) -> String {
    format!("segment-{segment:012}.mlj")
}

/// The segments of a folder, oldest first, with their sizes in bytes.
///
/// # Errors
/// Where the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("segment-")?.strip_suffix(".mlj"));
        if let Some(segment) = number.and_then(|number| number.parse().ok()) {
            found.push((segment, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl Journal {
    /// Begins segment `segment` with `checkpoint`; `sealed_bytes` is what older segments take.
    ///
    /// # Errors
    /// Where the file cannot be made or synced.
    pub fn begin(
        folder: PathBuf,
        config: JournalConfig,
        segment: u64,
        sealed_bytes: u64,
        checkpoint: &[u8],
        now: i64,
    ) -> io::Result<Journal> {
        let (file, bytes) = begin_segment(&folder, segment, checkpoint, now)?;
        let file = Arc::new(file);
        Ok(Journal {
            folder,
            config,
            segment,
            file,
            bytes,
            sealed_bytes,
            dirty: false,
            unsynced: Vec::new(),
            last_received_at: now,
        })
    }

    /// The segment that is written.
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// Bytes of the segment that is written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of all segments.
    pub fn total_bytes(&self) -> u64 {
        self.bytes + self.sealed_bytes
    }

    /// When the last record was received, µs since 1970 UTC.
    pub fn last_received_at(&self) -> i64 {
        self.last_received_at
    }

    /// Finishes a record and appends it in one write.
    ///
    /// # Errors
    /// [`Refused`]: nothing of it is left in the file.
    pub fn append(&mut self, builder: &mut record::Builder, received_at: i64) -> Result<(), Refused> {
        let record = builder.finish(received_at);
        let length = record.len() as u64;
        if self.total_bytes() + length > self.config.budget_bytes {
            return Err(Refused::Budget);
        }
        if let Err(error) = (&*self.file).write_all(record) {
            // Part of it may stand there. Cut, or what is appended next would follow a torn record.
            self.file.set_len(self.bytes)?;
            return Err(error.into());
        }
        self.bytes += length;
        self.dirty = true;
        self.last_received_at = received_at;
        Ok(())
    }

    /// Seals the segment and begins the next one with `checkpoint`.
    ///
    /// # Errors
    /// Where the next file cannot be made: then the old one is still written.
    pub fn roll(&mut self, checkpoint: &[u8], now: i64) -> io::Result<()> {
        let (file, bytes) = begin_segment(&self.folder, self.segment + 1, checkpoint, now)?;
        self.sealed_bytes += self.bytes;
        self.segment += 1;
        let sealed = std::mem::replace(&mut self.file, Arc::new(file));
        if std::mem::take(&mut self.dirty) {
            self.unsynced.push(sealed);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The files that were written since the last call. Syncing takes long, so the caller does it without
    /// holding the journal, and gives back those that failed.
    pub fn take_unsynced(&mut self) -> Vec<Arc<File>> {
        let mut files = std::mem::take(&mut self.unsynced);
        if std::mem::take(&mut self.dirty) {
            files.push(self.file.clone());
        }
        files
    }

    /// A sync failed: it is owed again.
    pub fn sync_failed(&mut self, file: Arc<File>) {
        self.unsynced.push(file);
    }

    /// Tells that a sealed segment's file of that many bytes is gone.
    pub fn removed(&mut self, bytes: u64) {
        self.sealed_bytes = self.sealed_bytes.saturating_sub(bytes);
    }
}

/// A new segment file with its checkpoint. `O_APPEND`: after a failed write is cut off, the next one goes to
/// the end that is left.
fn begin_segment(folder: &Path, segment: u64, checkpoint: &[u8], now: i64) -> io::Result<(File, u64)> {
    let path = folder.join(file_name(segment));
    let head = head(checkpoint, now);
    // As a whole: a segment that has its name has its checkpoint.
    let written = replace(&path, &head).and_then(|()| OpenOptions::new().append(true).open(&path));
    if written.is_err() {
        // Under its name it would be taken for the newest, though the one before it is still written.
        let _ = fs::remove_file(&path);
    }
    Ok((written?, head.len() as u64))
}

/// How a segment file begins: the magic, and the checkpoint as its first record.
pub fn head(checkpoint: &[u8], begun_at: i64) -> Vec<u8> {
    let mut builder = record::Builder::default();
    builder.begin(Kind::Checkpoint);
    builder.raw(checkpoint);
    [&FILE_MAGIC[..], builder.finish(begun_at)].concat()
}

/// Puts a file in the place of another, synced.
///
/// # Errors
/// Where the disk refuses. There is the old file or the whole new one then, and nothing half written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&unfinished, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
