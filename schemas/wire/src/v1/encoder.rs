//! Writing a datagram: the other half of the parent module, with its constants and its order of values.
use super::{
    FLAG_SIGNED, HEARTBEAT_SENDER, Heartbeat, MAGIC, MESSAGE_ENV_VERSION, MESSAGE_LOGGER, MESSAGE_ORIGIN,
    PREAMBLE_BYTES, Ping, Probe, SigningKey, SpanDraft, VERSION, mac_of, zigzag,
};
use crate::limits::{MAC_BYTES, NAME_BYTES_MAX};
use crate::message::Severity;
use hmac::Mac;

/// What a message is made of when it is written: borrowed, nothing is copied but into the datagram.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draft<'a> {
    /// µs since 1970 UTC.
    pub timestamp: i64,
    /// How urgent.
    pub severity: Severity,
    /// At most [`NAME_BYTES_MAX`] bytes.
    pub r#type: &'a str,
    /// At most [`NAME_BYTES_MAX`] bytes; `None`: the header's.
    pub logger: Option<&'a str>,
    /// Hostname and pid where they are not the header's.
    pub origin: Option<(&'a str, i64)>,
    /// Where it is not [`ENV_VERSION_WIRE`](crate::message::ENV_VERSION_WIRE).
    pub env_version: Option<&'a str>,
    /// Its text.
    pub payload: &'a str,
}

/// Writes a datagram: a header first, then messages for as long as they fit, then [`Encoder::finish`].
///
/// `sequence` and `dropped` are known only when the datagram leaves, so they are filled in last. It never
/// allocates after [`Encoder::new`].
#[derive(Debug, Clone)]
pub struct Encoder {
    /// As long as the largest datagram from the start, so that no write grows it: header and messages up to
    /// `body_end`, then whatever.
    bytes: Vec<u8>,
    capacity: usize,
    header_end: usize,
    body_end: usize,
    opened_at: i64,
    key: Option<SigningKey>,
    messages: u32,
}

/// The message did not fit, and nothing of it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit {
    /// It would not fit an empty datagram either.
    pub never: bool,
}

const SENDER_AT: usize = PREAMBLE_BYTES;
const SEQUENCE_AT: usize = SENDER_AT + 8;

impl Encoder {
    /// A datagram of at most `capacity` bytes. Texts over [`NAME_BYTES_MAX`] are cut at a character.
    pub fn new(
        capacity: usize,
        sender: u64,
        pid: u32,
        hostname: &str,
        logger: &str,
        key: Option<SigningKey>,
    ) -> Encoder {
        let mut bytes = Vec::with_capacity(capacity.max(PREAMBLE_BYTES + 36 + 3 * (NAME_BYTES_MAX + 1) + MAC_BYTES));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, if key.is_some() { FLAG_SIGNED } else { 0 }, 0, 0]);
        bytes.extend_from_slice(&sender.to_le_bytes());
        bytes.extend_from_slice(&[0; 24]);
        bytes.extend_from_slice(&pid.to_le_bytes());
        put_name(&mut bytes, hostname);
        put_name(&mut bytes, logger);
        if let Some(key) = &key {
            put_name(&mut bytes, &key.id);
        }
        put_header_length(&mut bytes);
        let end = bytes.len();
        bytes.resize(capacity.max(end + MAC_BYTES), 0);
        bytes.shrink_to_fit();
        let capacity = capacity.saturating_sub(if key.is_some() { MAC_BYTES } else { 0 });
        Encoder { bytes, capacity, header_end: end, body_end: end, opened_at: 0, key, messages: 0 }
    }

    /// How many messages it holds.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// True while it holds no message.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Forgets its messages; header and memory stay.
    pub fn clear(&mut self) {
        self.body_end = self.header_end;
        self.messages = 0;
    }

    /// Adds a message. `now` (µs since 1970 UTC) becomes `opened_at` where it is the first.
    ///
    /// # Errors
    /// [`DoesNotFit`]: nothing was added.
    pub fn push<'t, 'f>(
        &mut self,
        now: i64,
        draft: &Draft<'_>,
        tokens: impl ExactSizeIterator<Item = &'t str> + Clone,
        fields: impl ExactSizeIterator<Item = (&'f str, &'f str)> + Clone,
    ) -> Result<(), DoesNotFit> {
        if self.messages == 0 {
            self.opened_at = now;
        }
        let Some(end) = self.put(draft, tokens.clone(), fields.clone()) else {
            let texts = tokens.map(str::len).chain(fields.map(|(key, value)| key.len() + value.len()));
            let room = self.capacity.saturating_sub(self.header_end);
            return Err(DoesNotFit { never: self.messages == 0 || draft.payload.len() + texts.sum::<usize>() > room });
        };
        self.body_end = end;
        self.messages += 1;
        Ok(())
    }

    /// Adds a span; otherwise as [`Encoder::push`]. It counts as a message.
    ///
    /// # Errors
    /// [`DoesNotFit`]: nothing was added.
    pub fn push_span(&mut self, now: i64, span: &SpanDraft<'_>) -> Result<(), DoesNotFit> {
        self.push_frame(now, |opened_at, room| span.put(opened_at, room))
    }

    /// Adds a result of the mesh; otherwise as [`Encoder::push`]. It counts as a message.
    ///
    /// # Errors
    /// [`DoesNotFit`]: nothing was added.
    pub fn push_ping(&mut self, now: i64, ping: &Ping<'_>) -> Result<(), DoesNotFit> {
        self.push_frame(now, |opened_at, room| ping.put(opened_at, room))
    }

    /// Adds a single probe of the mesh; otherwise as [`Encoder::push`]. It counts as a message.
    ///
    /// # Errors
    /// [`DoesNotFit`]: nothing was added.
    pub fn push_probe(&mut self, now: i64, probe: &Probe<'_>) -> Result<(), DoesNotFit> {
        self.push_frame(now, |opened_at, room| probe.put(opened_at, room))
    }

    fn push_frame(&mut self, now: i64, put: impl FnOnce(i64, &mut Room<'_>) -> Option<()>) -> Result<(), DoesNotFit> {
        if self.messages == 0 {
            self.opened_at = now;
        }
        let Some(end) = self.put_frame(put) else { return Err(DoesNotFit { never: self.messages == 0 }) };
        self.body_end = end;
        self.messages += 1;
        Ok(())
    }

    fn put_frame(&mut self, put: impl FnOnce(i64, &mut Room<'_>) -> Option<()>) -> Option<usize> {
        let start = self.body_end;
        let mut room = Room { left: self.bytes.get_mut(start..self.capacity)? };
        let size = room.left.len();
        room.bytes(&[0, 0])?;
        put(self.opened_at, &mut room)?;
        let written = size - room.left.len();
        let length = u16::try_from(written - 2).ok()?;
        *self.bytes.get_mut(start..)?.first_chunk_mut()? = length.to_le_bytes();
        Some(start + written)
    }

    /// Writes a frame behind the last one and gives where it ends; it counts once `body_end` is there.
    fn put<'t, 'f>(
        &mut self,
        draft: &Draft<'_>,
        tokens: impl ExactSizeIterator<Item = &'t str>,
        fields: impl ExactSizeIterator<Item = (&'f str, &'f str)>,
    ) -> Option<usize> {
        let flag = |present: bool, flag: u8| if present { flag } else { 0 };
        let flags = draft.severity.number()
            | flag(draft.logger.is_some(), MESSAGE_LOGGER)
            | flag(draft.origin.is_some(), MESSAGE_ORIGIN)
            | flag(draft.env_version.is_some(), MESSAGE_ENV_VERSION);
        let start = self.body_end;
        let mut room = Room { left: self.bytes.get_mut(start..self.capacity)? };
        let size = room.left.len();
        // Straight to its place: an array on the stack would be read back before it is written whole.
        *room.take(3)?.first_chunk_mut()? = [0, 0, flags];
        room.varint(zigzag(draft.timestamp.saturating_sub(self.opened_at)))?;
        room.name(draft.r#type)?;
        if let Some(logger) = draft.logger {
            room.name(logger)?;
        }
        if let Some((hostname, pid)) = draft.origin {
            room.name(hostname)?;
            room.varint(zigzag(pid))?;
        }
        if let Some(env_version) = draft.env_version {
            room.name(env_version)?;
        }
        room.varint(tokens.len() as u64)?;
        for token in tokens {
            room.text(token)?;
        }
        room.text(draft.payload)?;
        room.varint(fields.len() as u64)?;
        for (key, value) in fields {
            room.text(key)?;
            room.text(value)?;
        }
        let written = size - room.left.len();
        let length = u16::try_from(written - 2).ok()?;
        *self.bytes.get_mut(start..)?.first_chunk_mut()? = length.to_le_bytes();
        Some(start + written)
    }

    /// Fills in what is known only now, signs, and gives the bytes to send. The messages stay until
    /// [`Encoder::clear`].
    pub fn finish(&mut self, sequence: u64, dropped: u64) -> &[u8] {
        for (i, value) in [sequence, self.opened_at.cast_unsigned(), dropped].into_iter().enumerate() {
            self.bytes[SEQUENCE_AT + 8 * i..SEQUENCE_AT + 8 * (i + 1)].copy_from_slice(&value.to_le_bytes());
        }
        let Some(key) = &self.key else { return &self.bytes[..self.body_end] };
        let (signed, rest) = self.bytes.split_at_mut(self.body_end);
        rest[..MAC_BYTES].copy_from_slice(&signature(key, signed));
        &self.bytes[..self.body_end + MAC_BYTES]
    }

    /// The sender's [`Heartbeat`]: a datagram of its own, beside the one that is being written, which stays as it is.
    /// `next` is the sequence number of the next datagram, `now` in µs since 1970 UTC. It allocates.
    pub fn heartbeat(&self, now: i64, next: u64, dropped: u64) -> Vec<u8> {
        let mut bytes = self.bytes[..self.header_end].to_vec();
        let mut sender = [0; 8];
        sender.copy_from_slice(&bytes[SENDER_AT..SEQUENCE_AT]);
        for (i, value) in [HEARTBEAT_SENDER, 0, now.cast_unsigned(), 0].into_iter().enumerate() {
            bytes[SENDER_AT + 8 * i..SENDER_AT + 8 * (i + 1)].copy_from_slice(&value.to_le_bytes());
        }
        Heartbeat { sender: u64::from_le_bytes(sender), next, dropped }.write(&mut bytes);
        put_header_length(&mut bytes);
        if let Some(key) = &self.key {
            let signature = signature(key, &bytes);
            bytes.extend_from_slice(&signature);
        }
        bytes
    }
}

/// What is left of a datagram, filled from the front: one bounds check a value. `None`: it does not fit.
pub(super) struct Room<'a> {
    left: &'a mut [u8],
}

impl<'a> Room<'a> {
    /// The next so many bytes. After a `None` nothing fits any more.
    #[inline]
    fn take(&mut self, bytes: usize) -> Option<&'a mut [u8]> {
        let (taken, left) = std::mem::take(&mut self.left).split_at_mut_checked(bytes)?;
        self.left = left;
        Some(taken)
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) -> Option<()> {
        *self.take(1)?.first_mut()? = byte;
        Some(())
    }

    #[inline]
    pub(super) fn varint(&mut self, mut value: u64) -> Option<()> {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80)?;
            value >>= 7;
        }
        self.byte(value as u8)
    }

    #[inline]
    pub(super) fn name(&mut self, name: &str) -> Option<()> {
        self.short(u8::try_from(name.len()).ok()?, name.as_bytes())
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Option<()> {
        if text.len() < 0x80 { self.short(text.len() as u8, text.as_bytes()) } else { self.long(text) }
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.take(bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    #[inline(never)]
    fn long(&mut self, text: &str) -> Option<()> {
        self.varint(text.len() as u64)?;
        self.take(text.len())?.copy_from_slice(text.as_bytes());
        Some(())
    }

    /// A byte and what follows it: one bounds check for both.
    #[inline(always)]
    fn short(&mut self, first: u8, bytes: &[u8]) -> Option<()> {
        let (length, rest) = self.take(1 + bytes.len())?.split_first_mut()?;
        *length = first;
        copy(rest, bytes);
        Some(())
    }
}

/// Copies what has the same length. Short texts in line, by their first and last words, which may overlap: most names and
/// tokens are short, and for those a call of `memcpy` costs more than the copy.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    #[inline]
    fn ends<const N: usize>(to: &mut [u8], from: &[u8]) {
        if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
            let (first, last) = (*first, *last);
            if let Some(to) = to.first_chunk_mut::<N>() {
                *to = first;
            }
            if let Some(to) = to.last_chunk_mut::<N>() {
                *to = last;
            }
        }
    }
    // Says to the compiler that the lengths are the same, so that it checks one of them.
    let Some(to) = to.get_mut(..from.len()) else { return };
    match from.len() {
        17.. => to.copy_from_slice(from),
        8.. => ends::<8>(to, from),
        4.. => ends::<4>(to, from),
        2.. => ends::<2>(to, from),
        1 => ends::<1>(to, from),
        0 => (),
    }
}

fn signature(key: &SigningKey, signed: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = mac_of(&key.secret);
    mac.update(signed);
    mac.finalize().into_bytes().into()
}

/// Says how long the header is that `bytes` ends with.
fn put_header_length(bytes: &mut [u8]) {
    let length = (bytes.len() - PREAMBLE_BYTES) as u16;
    bytes[PREAMBLE_BYTES - 2..PREAMBLE_BYTES].copy_from_slice(&length.to_le_bytes());
}

/// At most [`NAME_BYTES_MAX`] bytes of a name, cut at a character.
fn put_name(bytes: &mut Vec<u8>, name: &str) {
    let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
}
