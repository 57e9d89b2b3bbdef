//! One file that may grow, be rotated or truncated: its lines in order, each with where it ends.
//!
//! A file is known by its inode and by a few of its bytes (see [`Position`]), so that the rest of one that was renamed,
//! copied or compressed meanwhile is found beside it.
use super::source::{Line, Lines};
use super::state::{MARK_BYTES, Mark, Position};
use crate::logs;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Who wrote to a file that was rotated may go on for so long before it is left.
const ROTATED_QUIET: Duration = Duration::from_secs(1);

/// What is to be done where there is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Ask again: the last line has no end, and is taken as it is.
    Again,
    /// The next file is due, by [`Follower::switch`], when all of this one is confirmed.
    Switch,
    /// Nothing now.
    Wait,
    /// Nothing more.
    Done,
}

/// A named file, and the files that had its name before.
pub struct Follower {
    path: PathBuf,
    follows: bool,
    reading: Option<Reading>,
    /// What comes after what is read; the last is `path`.
    next: VecDeque<(PathBuf, Option<Position>)>,
    rotated_at: Option<Instant>,
}

impl Follower {
    /// Goes on at a position, or begins.
    ///
    /// # Errors
    /// Where the file cannot be read. One that is followed need not be there.
    pub fn resume(path: &Path, position: Option<&Position>, follows: bool) -> io::Result<Follower> {
        let mut follower =
            Follower { path: path.to_owned(), follows, reading: None, next: VecDeque::new(), rotated_at: None };
        let Some(position) = position else {
            follower.next.push_back((path.to_owned(), None));
            follower.switch()?;
            return Ok(follower);
        };
        match follower.find(position) {
            Some((found, reading)) => {
                if found != path {
                    follower.queue_after(&reading.file.metadata()?, Some(position));
                }
                follower.reading = Some(reading);
            }
            None => {
                logs::say(&format!(
                    "{}: what follows byte {} is gone: the file was replaced and is not found again beside it",
                    path.display(),
                    position.offset
                ));
                follower.next.push_back((path.to_owned(), None));
                follower.switch()?;
            }
        }
        Ok(follower)
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.reading.as_ref().map_or(0, |reading| reading.offset)
    }

    /// Where the next line begins, with what the file is known by; `None` where there is no file yet.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn position(&self) -> io::Result<Option<Position>> {
        self.reading.as_ref().map(|reading| reading.position(&self.path)).transpose()
    }

    /// The next line, and where it ends. One without an end is taken where nothing more is to come, or at `limit`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn next(&mut self, line: &mut Line, limit: Option<u64>) -> io::Result<Option<u64>> {
        let is_last = !self.follows || !self.next.is_empty();
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let found = reading.next(line, is_last, limit)?;
        if found.is_some() {
            self.rotated_at = None;
        }
        Ok(found)
    }

    /// What is to be done after [`Follower::next`] had no line.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn turn(&mut self) -> io::Result<Turn> {
        if !self.next.is_empty() {
            return Ok(Turn::Switch);
        }
        let Some(reading) = &self.reading else {
            if !self.follows {
                return Ok(Turn::Done);
            }
            let is_there = self.path.exists();
            if is_there {
                self.next.push_back((self.path.clone(), None));
            }
            return Ok(if is_there { Turn::Switch } else { Turn::Wait });
        };
        if !self.follows {
            return Ok(Turn::Done);
        }
        if !reading.is_intact(&reading.file.metadata()?)? {
            return self.truncated();
        }
        let now = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Turn::Wait),
            now => now?,
        };
        if !reading.is(&now) {
            if self.rotated_at.get_or_insert_with(Instant::now).elapsed() < ROTATED_QUIET {
                return Ok(Turn::Wait);
            }
            let (old, known) = (reading.file.metadata()?, reading.known.clone());
            self.queue_after(&old, known.as_ref());
            return Ok(Turn::Again);
        }
        Ok(Turn::Wait)
    }

    /// Begins with the next file.
    ///
    /// # Errors
    /// Where it cannot be read. One that is followed need not be there yet, and one that was rotated may be gone.
    pub fn switch(&mut self) -> io::Result<()> {
        self.rotated_at = None;
        while let Some((path, position)) = self.next.pop_front() {
            match Reading::open(&path, position.as_ref()) {
                Ok(Some(reading)) => {
                    self.reading = Some(reading);
                    return Ok(());
                }
                Ok(None) => (),
                Err(error) if error.kind() == ErrorKind::NotFound && (self.follows || path != self.path) => (),
                Err(error) => return Err(error),
            }
        }
        self.reading = None;
        Ok(())
    }

    /// The file was cut off under us. What was not read of it may be in a copy.
    fn truncated(&mut self) -> io::Result<Turn> {
        let Some(reading) = &mut self.reading else { return Ok(Turn::Wait) };
        let position = reading.known.clone();
        reading.line.clear();
        let path = self.path.display();
        match position.as_ref().and_then(|position| self.find(position)) {
            Some((copy, _)) => self.next.push_back((copy, position)),
            None => logs::say(&format!("{path}: it was truncated; what was not read of it by then is gone")),
        }
        self.next.push_back((self.path.clone(), None));
        Ok(Turn::Switch)
    }

    /// The file that was read up to a position, under whatever name.
    fn find(&self, position: &Position) -> Option<(PathBuf, Reading)> {
        let mut candidates = beside(&self.path, file_stem(&self.path));
        candidates.push(self.path.clone());
        let is_same = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (position.device, position.inode))
        };
        candidates.sort_by_key(|path| !is_same(path));
        candidates.into_iter().find_map(|path| {
            // Without any bytes that were read of it, only the inode tells.
            if position.head.bytes == 0 && !is_same(&path) {
                return None;
            }
            let reading = Reading::open(&path, Some(position)).ok().flatten()?;
            Some((path, reading))
        })
    }

    /// After a file that was rotated come those that were rotated after it, and at last the one that has its name now.
    fn queue_after(&mut self, rotated: &Metadata, position: Option<&Position>) {
        let name = self.path.file_name().unwrap_or_default();
        let written = |of: &Metadata| (of.mtime(), of.mtime_nsec());
        // Clocks of file systems are coarse: two may be of the same moment, and one may be a copy of the other.
        let is_copy = |path: &Path| {
            position.is_some_and(|position| Reading::open(path, Some(position)).is_ok_and(|same| same.is_some()))
        };
        let mut later: Vec<(i64, i64, PathBuf)> = beside(&self.path, name)
            .into_iter()
            .filter_map(|path| {
                let now = std::fs::metadata(&path).ok()?;
                let is_same = (now.dev(), now.ino()) == (rotated.dev(), rotated.ino());
                let is_later = written(&now) >= written(rotated) && !is_same && !is_copy(&path);
                is_later.then_some((now.mtime(), now.mtime_nsec(), path))
            })
            .collect();
        later.sort();
        self.next.extend(later.into_iter().map(|(.., path)| (path, None)));
        self.next.push_back((self.path.clone(), None));
    }
}

/// `app.log` of `/var/log/app.log.1` is `app.log`, of which the stem is `app`.
fn file_stem(path: &Path) -> &OsStr {
    path.file_stem().unwrap_or_default()
}

/// Files in the same folder whose names go on after `start` with a mark of punctuation.
fn beside(path: &Path, start: &OsStr) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_one = |name: &OsStr| {
        let rest = name.as_bytes().strip_prefix(start.as_bytes());
        Some(name) != path.file_name() && rest.and_then(|rest| rest.first()).is_some_and(|c| b".-_".contains(c))
    };
    entries.filter(|entry| is_one(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// A file that is open.
struct Reading {
    file: File,
    device: u64,
    inode: u64,
    lines: Lines,
    /// Where `line` begins.
    offset: u64,
    line: Line,
    /// Of a compressed file, which cannot be read from the middle.
    head: Vec<u8>,
    tail: Vec<u8>,
    /// The last position that was asked for.
    known: Option<Position>,
}

impl Reading {
    /// `None`: it is not the file of that position.
    fn open(path: &Path, position: Option<&Position>) -> io::Result<Option<Reading>> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        let mut lines = Lines::new(file.try_clone()?)?;
        let offset = position.map_or(0, |position| position.offset);
        if !lines.is_compressed() {
            if metadata.len() < offset {
                return Ok(None);
            }
            file.seek(SeekFrom::Start(offset))?;
            lines = Lines::plain(file.try_clone()?);
        }
        let (device, inode) = (metadata.dev(), metadata.ino());
        let head = if lines.is_compressed() { head_of(path)? } else { Vec::new() };
        let line = Line::default();
        let mut reading =
            Reading { file, device, inode, lines, offset: 0, line, head, tail: Vec::new(), known: position.cloned() };
        if reading.lines.is_compressed() {
            while reading.offset < offset {
                let mut line = Line::default();
                if reading.next(&mut line, true, None)?.is_none() {
                    return Ok(None);
                }
            }
        }
        if reading.lines.is_compressed() && reading.offset != offset {
            return Ok(None);
        }
        reading.offset = offset;
        Ok(match position {
            Some(position) if !reading.matches(position)? => None,
            _ => Some(reading),
        })
    }

    fn next(&mut self, line: &mut Line, is_last: bool, limit: Option<u64>) -> io::Result<Option<u64>> {
        let (tail, is_compressed) = (&mut self.tail, self.lines.is_compressed());
        self.lines.read(&mut self.line, |bytes| {
            if is_compressed {
                tail.extend_from_slice(&bytes[bytes.len().saturating_sub(MARK_BYTES)..]);
                tail.drain(..tail.len().saturating_sub(MARK_BYTES));
            }
        })?;
        let end = self.offset + self.line.length;
        let is_taken = self.line.is_whole
            || (self.line.length > 0 && (is_last || is_compressed || limit.is_some_and(|limit| end >= limit)));
        if !is_taken {
            return Ok(None);
        }
        self.offset = end;
        line.clear();
        std::mem::swap(line, &mut self.line);
        Ok(Some(end))
    }

    fn is(&self, metadata: &Metadata) -> bool {
        (self.device, self.inode) == (metadata.dev(), metadata.ino())
    }

    /// What was read of it is still there.
    fn is_intact(&self, now: &Metadata) -> io::Result<bool> {
        if self.lines.is_compressed() {
            return Ok(true);
        }
        if now.len() < self.offset + self.line.length {
            return Ok(false);
        }
        self.known.as_ref().map_or(Ok(true), |position| self.matches(position))
    }

    fn matches(&self, position: &Position) -> io::Result<bool> {
        let (head, tail) = (position.head.bytes as usize, position.tail.bytes as usize);
        if self.lines.is_compressed() {
            let tail_found = &self.tail[self.tail.len().saturating_sub(tail)..];
            let head_found = self.head.get(..head).unwrap_or_default();
            return Ok(Mark::of(head_found) == position.head && Mark::of(tail_found) == position.tail);
        }
        let head = self.bytes_at(0, head)?;
        let tail = self.bytes_at(position.offset.saturating_sub(position.tail.bytes), tail)?;
        Ok(Mark::of(&head) == position.head && Mark::of(&tail) == position.tail)
    }

    fn position(&self, path: &Path) -> io::Result<Position> {
        let tail = self.offset.min(MARK_BYTES as u64);
        let (head, tail) = match self.lines.is_compressed() {
            true => (self.head.clone(), self.tail.clone()),
            false => (self.bytes_at(0, MARK_BYTES)?, self.bytes_at(self.offset - tail, tail as usize)?),
        };
        let (head, tail) = (Mark::of(&head), Mark::of(&tail));
        Ok(Position { path: path.to_owned(), device: self.device, inode: self.inode, offset: self.offset, head, tail })
    }

    /// As many as there are.
    fn bytes_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// The first bytes of a compressed file, decompressed.
fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut lines = Lines::new(File::open(path)?)?;
    let (mut head, mut line) = (Vec::new(), Line::default());
    loop {
        line.clear();
        lines.read(&mut line, |bytes| head.extend_from_slice(bytes))?;
        if line.length == 0 || head.len() >= MARK_BYTES {
            head.truncate(MARK_BYTES);
            return Ok(head);
        }
    }
}

impl Follower {
    /// What was read is still there. False: ask for the [`Follower::turn`] first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn is_intact(&self) -> io::Result<bool> {
        match &self.reading {
            Some(reading) if self.follows && self.next.is_empty() => reading.is_intact(&reading.file.metadata()?),
            _ => Ok(true),
        }
    }

    /// Remembers a position, by which a file that was cut off is told from one that grew.
    pub fn know(&mut self, position: Option<&Position>) {
        if let Some(reading) = &mut self.reading {
            reading.known = position.cloned().or(reading.known.take());
        }
    }
}
