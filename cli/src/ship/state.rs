//! How far files were read: kept in a file that is replaced as a whole, so that shipping goes on where it was.
//!
//! What is about to be sent is written down first, datagram by datagram. A shipper that is killed meanwhile sends exactly
//! the same datagrams again, under the same numbers; the server takes each number once.
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{self, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The form of the file.
const VERSION: u32 = 1;

/// By how many bytes a file is known again, at its beginning and before a position.
pub const MARK_BYTES: usize = 256;

/// All that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// The sender's identity, in hex. It is drawn once.
    sender: String,
    /// The number of the first datagram that the server is not known to have.
    pub sequence: u64,
    /// Where each file is read from.
    pub files: Vec<Position>,
    /// Datagrams that may have been sent: the first has the number `sequence`.
    pub sent: Vec<Part>,
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// As it is named on the command line.
    pub path: PathBuf,
    /// Of the file that was read, which may have another name by now.
    pub device: u64,
    /// Likewise.
    pub inode: u64,
    /// All before is sent. Bytes, of a compressed file after decompression.
    pub offset: u64,
    /// The first bytes of the file.
    pub head: Mark,
    /// The last bytes before `offset`.
    pub tail: Mark,
}

/// A fingerprint of a few bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How many.
    pub bytes: u64,
    /// Their CRC-32C.
    pub crc: u32,
}

impl Mark {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Mark {
        Mark { bytes: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
    }
}

/// What a datagram holds of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which of the files.
    pub file: usize,
    /// From here, in bytes.
    pub start: u64,
    /// To here.
    pub end: u64,
}

/// A state file of this process alone.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Whose lock ends with this process.
    _lock: File,
}

impl StateFile {
    /// Locks the file, and reads it where it is there; otherwise `sender` is who sends from now on.
    ///
    /// # Errors
    /// In words: another process has it, it cannot be read, or it is of a newer version.
    pub fn open(path: &Path, sender: u64) -> io::Result<(StateFile, State)> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock = File::create(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(Error::new(ErrorKind::WouldBlock, "another process uses it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let file = StateFile { path: path.to_owned(), _lock: lock };
        let state = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => State {
                version: VERSION,
                sender: format!("{sender:016x}"),
                sequence: 0,
                files: Vec::new(),
                sent: Vec::new(),
            },
            Err(error) => return Err(error),
        };
        if state.version != VERSION {
            let newer = format!("it has version {}, and this program knows {VERSION}", state.version);
            return Err(Error::new(ErrorKind::InvalidData, newer));
        }
        Ok((file, state))
    }

    /// Replaces it; it is on the disk when this returns.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, state: &State) -> io::Result<()> {
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(".new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(state)?)?;
        file.sync_data()?;
        std::fs::rename(&beside, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl State {
    /// Who sends.
    ///
    /// # Errors
    /// Where somebody wrote something else there.
    pub fn sender(&self) -> io::Result<u64> {
        let wrong = |_| Error::new(ErrorKind::InvalidData, format!("`{}` is no sender", self.sender));
        u64::from_str_radix(&self.sender, 16).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_and_belongs_to_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (file, mut state) = StateFile::open(&path, 0xab).unwrap();
        assert_eq!(state.sender().unwrap(), 0xab);
        let mark = Mark::of(b"first");
        state.sequence = 7;
        state.files.push(Position { path: "a".into(), device: 1, inode: 2, offset: 3, head: mark, tail: mark });
        state.sent.push(Part { file: 0, start: 3, end: 9 });
        file.save(&state).unwrap();
        assert_eq!(StateFile::open(&path, 1).unwrap_err().to_string(), "another process uses it");
        drop(file);
        assert_eq!(StateFile::open(&path, 1).unwrap().1, state, "the sender is drawn once");
    }

    #[test]
    fn what_is_no_state_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"version":2,"sender":"1","sequence":0,"files":[],"sent":[]}"#] {
            let path = folder.path().join("state");
            std::fs::write(&path, text).unwrap();
            assert!(StateFile::open(&path, 1).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
