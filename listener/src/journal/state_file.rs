//! The state at a segment's begin, in a file beside it: series, the open window, senders and their totals.
//!
//! `METLOGS1`, then sections: `name length u8, name, version u32, length u64, crc32c u32`, all little-endian, and that
//! many bytes. A reader passes over sections that it does not know; of those that it needs, it reads only versions
//! that it knows. The file is written beside intake, after its segment was begun, and replaced as a whole.
use crate::aggregate::State;
use crate::grown::Totals;
use crate::senders::Senders;
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"METLOGS1";
const AGGREGATE: (&str, u32) = ("aggregate", 1);
const SENDERS: (&str, u32) = ("senders", 1);
const TOTALS: (&str, u32) = ("totals", 1);

/// All state that the order of the journal decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateAt {
    /// Series and the open window.
    pub aggregate: State,
    /// Who sends.
    pub senders: Senders,
}

/// Where the state of a segment's begin lies.
pub fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("segment-{segment:012}.state"))
}

/// Writes it, synced; how many bytes it takes.
///
/// # Errors
/// If the disk refuses; nothing half written is left.
pub fn write(folder: &Path, segment: u64, state: &StateAt) -> io::Result<u64> {
    let bytes = encode(state)?;
    super::replace(&path(folder, segment), &bytes)?;
    Ok(bytes.len() as u64)
}

/// The bytes of its file.
///
/// # Errors
/// None that is known.
pub fn encode(state: &StateAt) -> io::Result<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    section(&mut bytes, AGGREGATE, &postcard::to_allocvec(&state.aggregate).map_err(io::Error::other)?);
    section(&mut bytes, SENDERS, &postcard::to_allocvec(&state.senders).map_err(io::Error::other)?);
    if !state.senders.totals.is_empty() {
        section(&mut bytes, TOTALS, &postcard::to_allocvec(&state.senders.totals).map_err(io::Error::other)?);
    }
    Ok(bytes)
}

/// Reads it; `None` if there is none, or none that this program can read.
pub fn read(folder: &Path, segment: u64) -> Option<StateAt> {
    decode(&fs::read(path(folder, segment)).ok()?)
}

/// The state of its file's bytes; `None` if they are not whole.
pub fn decode(bytes: &[u8]) -> Option<StateAt> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let (mut aggregate, mut senders, mut totals) = (None, None::<Senders>, Some(Totals::default()));
    while !rest.is_empty() {
        let Section { name, version, content, rest: after } = next(rest)?;
        match (name, version) {
            (name, version) if (name, version) == (AGGREGATE.0.as_bytes(), AGGREGATE.1) => aggregate = read_as(content),
            (name, version) if (name, version) == (SENDERS.0.as_bytes(), SENDERS.1) => senders = read_as(content),
            (name, version) if (name, version) == (TOTALS.0.as_bytes(), TOTALS.1) => totals = read_as(content),
            _ => (),
        }
        rest = after;
    }
    Some(StateAt { aggregate: aggregate?, senders: Senders { totals: totals?, ..senders? } })
}

fn read_as<T: DeserializeOwned>(content: &[u8]) -> Option<T> {
    postcard::from_bytes(content).ok()
}

fn section(bytes: &mut Vec<u8>, (name, version): (&str, u32), content: &[u8]) {
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(content).to_le_bytes());
    bytes.extend_from_slice(content);
}

/// A section, and what follows it.
struct Section<'b> {
    name: &'b [u8],
    version: u32,
    content: &'b [u8],
    rest: &'b [u8],
}

/// `None` if the section is not whole.
fn next(bytes: &[u8]) -> Option<Section<'_>> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let version = u32::from_le_bytes(*version);
    (crc32c::crc32c(content) == u32::from_le_bytes(*crc)).then_some(Section { name, version, content, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let written = write(folder.path(), 7, &StateAt::default()).unwrap();
        let path = path(folder.path(), 7);
        let bytes = fs::read(&path).unwrap();
        assert_eq!((read(folder.path(), 7), written), (Some(StateAt::default()), bytes.len() as u64));
        let mut newer = bytes.clone();
        section(&mut newer, ("spans", 3), b"whatever");
        assert_eq!(decode(&newer), Some(StateAt::default()), "a section that is not known is passed over");
        for at in 0..bytes.len() {
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            assert_eq!(decode(&changed), None, "changed at {at}");
        }
        assert_eq!(read(folder.path(), 8), None);
    }
}
