//! A segment whose rows are only in the journal: its bytes and those of the state at its begin, which stay readable when
//! its files are gone from their folder; and how they are decoded, which another process may do.
use crate::journal::state_file;
use crate::replay::{self, Kept, Sealed};
use crate::segment::Segment;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use metlog_schemas::hot::ColdSegment;
use metlog_schemas::table::TableMap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The bytes of a state file, and then those of a segment.
#[derive(Debug)]
pub struct Cold {
    /// Opened when the segment was found: the file may be deleted before it is read.
    segment: io::Result<File>,
    state: io::Result<File>,
    folder: PathBuf,
    number: u64,
    sealed: Option<Sealed>,
    /// The state, where it has no file of its own.
    made: OnceLock<Vec<u8>>,
}

/// What decoding needs besides the bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    sealed: Option<Sealed>,
    /// How many of the bytes are the state's.
    state_bytes: u64,
}

impl Cold {
    /// Opens the files of a segment.
    pub(crate) fn open(folder: &Path, segment: &Segment) -> Cold {
        Cold {
            segment: File::open(&segment.path),
            state: File::open(state_file::path(folder, segment.number)),
            folder: folder.to_owned(),
            number: segment.number,
            sealed: segment.sealed,
            made: OnceLock::new(),
        }
    }

    fn state_bytes(&self) -> io::Result<u64> {
        match &self.state {
            Ok(file) => Ok(file.metadata()?.len()),
            Err(_) => Ok(self.made().len() as u64),
        }
    }

    /// Where a state has no file, it is made of the segments before; that is rare.
    fn made(&self) -> &[u8] {
        self.made.get_or_init(|| {
            let state = replay::state_at(&self.folder, self.number).ok().flatten().unwrap_or_default();
            state_file::encode(&state).unwrap_or_default()
        })
    }

    fn segment(&self) -> io::Result<&File> {
        self.segment.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }
}

impl ColdSegment for Cold {
    fn description(&self) -> String {
        let description = Description { sealed: self.sealed, state_bytes: self.state_bytes().unwrap_or_default() };
        serde_json::to_string(&description).unwrap_or_default()
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.state_bytes()? + self.segment()?.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state_bytes = self.state_bytes()?;
        if offset >= state_bytes {
            return self.segment()?.read_at(buffer, offset - state_bytes);
        }
        let of_state = buffer.len().min((state_bytes - offset) as usize);
        let buffer = &mut buffer[..of_state];
        match &self.state {
            Ok(file) => file.read_at(buffer, offset),
            Err(_) => {
                buffer.copy_from_slice(&self.made()[offset as usize..][..of_state]);
                Ok(of_state)
            }
        }
    }
}

/// The rows of a segment, given its description and all of its bytes. Blocking, and work for the processor.
///
/// # Errors
/// Where it is no segment, or one that is corrupt beyond reading.
pub fn decode_segment(description: &str, bytes: &[u8]) -> Result<TableMap<Vec<RecordBatch>>, ArrowError> {
    let in_arrow = |error: io::Error| ArrowError::IoError(error.to_string(), error);
    let Description { sealed, state_bytes } =
        serde_json::from_str(description).map_err(|error| ArrowError::JsonError(error.to_string()))?;
    let Some((state, segment)) = bytes.split_at_checked(state_bytes as usize) else {
        return Err(in_arrow(io::ErrorKind::UnexpectedEof.into()));
    };
    let mut kept = Kept::default();
    replay::replay(segment, state_file::decode(state).unwrap_or_default(), sealed, &mut kept).map_err(in_arrow)?;
    Ok(kept.rows)
}
