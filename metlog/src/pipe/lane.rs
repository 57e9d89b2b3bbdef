//! Datagrams of one kind, from the one that is being written to those that wait to be sent.
//!
//! All of them are made at the start, so memory is bounded and no call allocates.
use metlog_wire::v1::{DoesNotFit, Encoder};
use std::collections::VecDeque;

/// A datagram that is filled on one side and sent on the other.
pub(crate) trait Datagram {
    fn is_empty(&self) -> bool;
    /// Forgets what is in it; its memory stays.
    fn clear(&mut self);
    /// The bytes to send, with what is known only now filled in.
    fn seal(&mut self, sequence: u64, dropped: u64) -> &[u8];
    /// Values that nobody misses where it is not sent: it has no sequence number.
    fn unnumbered(&self) -> u64;
}

impl Datagram for Encoder {
    fn is_empty(&self) -> bool {
        Encoder::is_empty(self)
    }

    fn clear(&mut self) {
        Encoder::clear(self);
    }

    fn seal(&mut self, sequence: u64, dropped: u64) -> &[u8] {
        self.finish(sequence, dropped)
    }

    fn unnumbered(&self) -> u64 {
        0
    }
}

/// A datagram of statsd lines.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    capacity: usize,
    values: u64,
}

impl Lines {
    pub fn new(capacity: usize) -> Lines {
        Lines { bytes: Vec::with_capacity(capacity), capacity, values: 0 }
    }

    /// Adds one or more lines, which come in parts, all or none.
    pub fn push(&mut self, parts: &[&str]) -> Result<(), DoesNotFit> {
        let newline = usize::from(!self.bytes.is_empty());
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.bytes.len() + newline + length > self.capacity {
            return Err(DoesNotFit { never: length > self.capacity });
        }
        if newline == 1 {
            self.bytes.push(b'\n');
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part.as_bytes()));
        self.values += 1;
        Ok(())
    }
}

impl Datagram for Lines {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.values = 0;
    }

    fn seal(&mut self, _: u64, _: u64) -> &[u8] {
        &self.bytes
    }

    fn unnumbered(&self) -> u64 {
        self.values
    }
}

/// One datagram that is being written, those that wait, and those that are free.
#[derive(Debug)]
pub(crate) struct Lane<D> {
    pub current: D,
    pub full: VecDeque<D>,
    pub free: Vec<D>,
}

impl<D: Datagram + Clone> Lane<D> {
    /// `datagrams` in all, each made by `make`; one of them is the sender thread's.
    pub fn new(datagrams: usize, make: impl Fn() -> D) -> (Lane<D>, D) {
        let waiting = datagrams.saturating_sub(2).max(1);
        let free = (0..waiting).map(|_| make()).collect();
        (Lane { current: make(), full: VecDeque::with_capacity(waiting), free }, make())
    }
}

impl<D: Datagram> Lane<D> {
    /// Begins another datagram. False: all are full.
    pub fn rotate(&mut self) -> bool {
        let Some(next) = self.free.pop() else { return false };
        self.full.push_back(std::mem::replace(&mut self.current, next));
        true
    }

    /// True if more than half of the pool is full: the sender thread should not wait for its tick.
    pub fn is_urgent(&self) -> bool {
        self.full.len() > self.free.len()
    }

    /// The share of the pool that is full.
    pub fn share(&self) -> f64 {
        self.full.len() as f64 / (self.full.len() + self.free.len()).max(1) as f64
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.current.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_until_the_datagram_is_full() {
        let mut lines = Lines::new(11);
        assert_eq!(lines.push(&["a:12345678|c"]), Err(DoesNotFit { never: true }));
        assert_eq!(lines.push(&["a:1|c"]), Ok(()));
        assert_eq!(lines.push(&["b:22|c"]), Err(DoesNotFit { never: false }));
        assert_eq!(lines.push(&["b:2|c"]), Ok(()));
        assert_eq!(lines.seal(0, 0), b"a:1|c\nb:2|c");
        lines.clear();
        assert!(lines.is_empty());
    }

    #[test]
    fn a_lane_never_holds_more_than_it_was_made_with() {
        let (mut lane, _spare) = Lane::new(6, || Lines::new(5));
        let mut entered = 0;
        while lane.current.push(&["a:1|c"]).is_ok() {
            entered += 1;
            assert_eq!(lane.is_urgent(), lane.full.len() > 2, "{} of 4 wait", lane.full.len());
            assert_eq!(lane.share(), lane.full.len() as f64 / 4.0);
            if !lane.rotate() {
                break;
            }
        }
        assert_eq!((entered, lane.full.len(), lane.free.len()), (5, 4, 0), "with the spare: six");
    }
}
