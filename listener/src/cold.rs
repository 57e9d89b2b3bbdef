//! A segment whose rows are only in the journal: its bytes, which stay readable when its file is gone from its folder,
//! and how they are decoded, which another process may do.
use crate::replay::{Sealed, replay};
use crate::segment::Content;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use metlog_schemas::tables::Table;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A segment that is read back from the journal.
#[derive(Debug)]
pub struct ColdSegment {
    description: Description,
    /// Opened when the segment was found: the file may be deleted before it is read.
    file: io::Result<File>,
}

/// What decoding needs besides the bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// For error messages.
    path: PathBuf,
    sealed: Option<Sealed>,
}

impl ColdSegment {
    /// Opens the file of a segment.
    pub(crate) fn open(path: &Path, sealed: Option<Sealed>) -> ColdSegment {
        ColdSegment { description: Description { path: path.to_owned(), sealed }, file: File::open(path) }
    }

    /// What [`ColdSegment::decode`] needs besides the bytes.
    pub fn description(&self) -> String {
        serde_json::to_string(&self.description).unwrap_or_default()
    }

    /// Bytes of the segment.
    ///
    /// # Errors
    /// What the file system says, also of opening the file.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.file()?.metadata()?.len())
    }

    /// True where it has no bytes.
    ///
    /// # Errors
    /// As [`ColdSegment::len`].
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|bytes| bytes == 0)
    }

    /// Reads some bytes from `offset` on. Blocking.
    ///
    /// # Errors
    /// As [`ColdSegment::len`].
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file()?.read_at(buffer, offset)
    }

    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    /// The rows of a segment, given its description and all of its bytes. Blocking, and work for the processor.
    ///
    /// # Errors
    /// Where it is no segment, or one that is corrupt beyond reading.
    pub fn decode(description: &str, bytes: &[u8]) -> Result<Vec<(Table, Vec<RecordBatch>)>, ArrowError> {
        let unreadable = |error: io::Error| ArrowError::IoError(error.to_string(), error);
        let description: Description =
            serde_json::from_str(description).map_err(|error| ArrowError::JsonError(error.to_string()))?;
        let replayed = replay(&description.path, bytes, description.sealed).map_err(unreadable)?;
        let metrics = Content::of(Vec::new(), replayed.windows)?.metrics;
        Ok(vec![(Table::Messages, replayed.rows), (Table::Metrics, metrics)])
    }
}
