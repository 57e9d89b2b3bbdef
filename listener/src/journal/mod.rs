//! The journal: what the sockets gave, on disk before anything else can fail.
//!
//! A **segment** is a file of records; the newest one is written, the older ones are *sealed* and wait for
//! the sinks. A segment begins with counts and with how it is read (`begin`), and the state at its begin lies beside
//! it (`state_file`), so each can be read without those before it. This file owns the files; `record` owns their
//! format; what the records mean is decided by `replay`; what version 0.1 left is read by `v01`.
//!
//! Nothing here waits for a disk to sync: the next segment's file is made before it is needed ([`Spare`]), and who
//! needs what was appended to be safe waits for a sync that others make (`pipeline/sync.rs`).
pub mod begin;
pub mod record;
pub mod reserve;
pub mod state_file;
pub mod v01;

use crate::config::JournalConfig;
use begin::Begin;
use record::{Builder, Framing, code};
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

/// The file of the next segment, made and synced before it is needed.
#[derive(Debug)]
pub struct Spare {
    segment: u64,
    file: File,
    framing: Framing,
    head_bytes: u64,
}

impl Spare {
    /// Makes the file, synced, with its name. A file that never gets its first record is removed by the next start.
    ///
    /// # Errors
    /// If the disk refuses; then there is no file.
    pub fn new(folder: &Path, segment: u64) -> io::Result<Spare> {
        let framing = Framing::salted(rand::random());
        let path = folder.join(file_name(segment));
        let head = framing.head();
        let made = (|| {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
            file.write_all(&head)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            // `O_APPEND`: after a failed write is cut off, the next one goes to the end that is left.
            OpenOptions::new().append(true).open(&path)
        })();
        if made.is_err() {
            let _ = fs::remove_file(&path);
        }
        Ok(Spare { segment, file: made?, framing, head_bytes: head.len() as u64 })
    }

    /// Its number.
    pub fn segment(&self) -> u64 {
        self.segment
    }
}

/// The folder of segments and the one that is written.
#[derive(Debug)]
pub struct Journal {
    config: JournalConfig,
    segment: u64,
    file: Arc<File>,
    framing: Framing,
    bytes: u64,
    /// Of older segments and of states.
    other_bytes: u64,
    /// The file has bytes that were not synced.
    dirty: bool,
    /// Sealed files that had some.
    unsynced: Vec<Arc<File>>,
    /// Bytes ever appended by this process: where a record ends, for who waits until it is synced.
    position: u64,
    /// Windows that began and that no record says so of yet: the disk refused it.
    windows: Vec<(i64, u64)>,
}

/// The file name of a segment: zero padded, so that name order is number order.
pub fn file_name(segment: u64) -> String {
    format!("segment-{segment:012}.mlj")
}

/// The number in a file's name, `None` where it is that of no segment.
pub fn number_of(name: &str, extension: &str) -> Option<u64> {
    name.strip_prefix("segment-")?.strip_suffix(extension)?.parse().ok()
}

/// The segments of a folder, oldest first, with their sizes in bytes.
///
/// # Errors
/// Where the folder cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<(u64, u64)>> {
    list(folder, ".mlj")
}

/// Files `segment-<number><extension>` of a folder, lowest number first, with their sizes in bytes.
///
/// # Errors
/// Where the folder cannot be read.
pub fn list(folder: &Path, extension: &str) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(segment) = entry.file_name().to_str().and_then(|name| number_of(name, extension)) {
            found.push((segment, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl Journal {
    /// Begins to write `spare`; `other_bytes` is what else takes up the budget.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn begin(
        config: JournalConfig,
        spare: Spare,
        other_bytes: u64,
        begin: &Begin,
        now: i64,
    ) -> io::Result<Journal> {
        let bytes = write_begin(&spare, begin, now)?;
        spare.file.sync_data()?;
        Ok(Journal {
            config,
            segment: spare.segment,
            file: Arc::new(spare.file),
            framing: spare.framing,
            bytes,
            other_bytes,
            dirty: false,
            unsynced: Vec::new(),
            position: 0,
            windows: Vec::new(),
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

    /// Bytes of all segments and states.
    pub fn total_bytes(&self) -> u64 {
        self.bytes + self.other_bytes
    }

    /// Where the last record ends.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// A window began: its end and its number. Where no record can say so now, one does before the next that is
    /// appended.
    pub fn window_began(&mut self, end: i64, serial: u64, now: i64) {
        self.windows.push((end, serial));
        let _ = self.write_windows(now);
    }

    fn write_windows(&mut self, received_at: i64) -> Result<(), Refused> {
        while let Some((end, serial)) = self.windows.first().copied() {
            let payload = [end.to_le_bytes(), serial.to_le_bytes()].concat();
            self.write(Builder::of(code::WINDOW, &payload).finish(self.framing, received_at))?;
            self.windows.remove(0);
        }
        Ok(())
    }

    /// Finishes a record and appends it.
    ///
    /// # Errors
    /// [`Refused`]: nothing of it is left in the file.
    pub fn append(&mut self, builder: &mut Builder, received_at: i64) -> Result<(), Refused> {
        if self.total_bytes() + builder.len() as u64 > self.config.budget_bytes {
            return Err(Refused::Budget);
        }
        self.write_windows(received_at)?;
        self.write(builder.finish(self.framing, received_at))
    }

    fn write(&mut self, record: &[u8]) -> Result<(), Refused> {
        if let Err(error) = (&*self.file).write_all(record) {
            // Part of it may stand there. Cut, or what is appended next would follow a torn record.
            if let Err(not_cut) = self.file.set_len(self.bytes) {
                // It stays, as bytes that are no record; what is cut next must not be a good one.
                self.bytes = self.file.metadata().map_or(self.bytes, |file| file.len());
                return Err(not_cut.into());
            }
            return Err(error.into());
        }
        self.bytes += record.len() as u64;
        self.position += record.len() as u64;
        self.dirty = true;
        Ok(())
    }

    /// Seals the segment and goes on in `spare`: one short write.
    ///
    /// # Errors
    /// Where it cannot be written, with the spare: the old segment is still written then.
    pub fn switch(&mut self, spare: Spare, begin: &Begin, now: i64) -> Result<(), (Spare, io::Error)> {
        let bytes = match write_begin(&spare, begin, now) {
            Ok(bytes) => bytes,
            Err(error) => return Err((spare, error)),
        };
        self.other_bytes += self.bytes;
        self.position += bytes;
        self.segment = spare.segment;
        self.framing = spare.framing;
        let sealed = std::mem::replace(&mut self.file, Arc::new(spare.file));
        if std::mem::replace(&mut self.dirty, true) {
            self.unsynced.push(sealed);
        }
        self.bytes = bytes;
        // The begin says which window is open. Of those before it that no record tells of, nothing came.
        self.windows.clear();
        Ok(())
    }

    /// The files that were written since the last call, and up to where. Syncing takes long, so the caller does it
    /// without holding the journal, and returns those that failed to [`Journal::sync_failed`].
    pub fn take_unsynced(&mut self) -> (Vec<Arc<File>>, u64) {
        let mut files = std::mem::take(&mut self.unsynced);
        if std::mem::take(&mut self.dirty) {
            files.push(self.file.clone());
        }
        (files, self.position)
    }

    /// A sync failed: the file needs another.
    pub fn sync_failed(&mut self, file: Arc<File>) {
        self.unsynced.push(file);
    }

    /// A state of so many bytes was written.
    pub fn added(&mut self, bytes: u64) {
        self.other_bytes += bytes;
    }

    /// Files of so many bytes are gone.
    pub fn removed(&mut self, bytes: u64) {
        self.other_bytes = self.other_bytes.saturating_sub(bytes);
    }
}

/// The first record; how many bytes the file has then.
fn write_begin(spare: &Spare, begin: &Begin, now: i64) -> io::Result<u64> {
    let mut builder = Builder::of(code::BEGIN, &begin.encode());
    let record = builder.finish(spare.framing, now);
    if let Err(error) = (&spare.file).write_all(record) {
        spare.file.set_len(spare.head_bytes)?;
        return Err(error);
    }
    Ok(spare.head_bytes + record.len() as u64)
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

/// The folder of a journal: the path of each segment in it.
pub fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(file_name(segment))
}
