//! Messages into numbered datagrams, each with the part of its source that it holds.
use super::Outgoing;
use metlog_schemas::wire::limits::{DATAGRAM_BYTES_DEFAULT, DATAGRAM_BYTES_MAX};
use metlog_schemas::wire::message::ENV_VERSION_WIRE;
use metlog_schemas::wire::v1::{DoesNotFit, Draft, Encoder, SigningKey};

/// A datagram that can leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// As it is on the wire.
    pub bytes: Vec<u8>,
    /// Where the part begins that it holds.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// Who sends, for the header of every datagram.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The sender's identity.
    pub sender: u64,
    /// This host.
    pub hostname: String,
    /// Signs, where there is one.
    pub key: Option<SigningKey>,
}

/// Puts datagrams together.
#[derive(Debug)]
pub struct Packer {
    /// Datagrams of the usual size.
    usual: Encoder,
    /// For what does not fit one of those.
    large: Encoder,
    hostname: String,
    sequence: u64,
    /// Messages that fit no datagram.
    too_large: u64,
    /// What the open datagram holds, and what was passed over since it was opened.
    start: u64,
    end: u64,
}

impl Packer {
    /// The next datagram will have this number.
    pub fn new(origin: &Origin, sequence: u64) -> Packer {
        let pid = std::process::id();
        let encoder = |bytes| Encoder::new(bytes, origin.sender, pid, &origin.hostname, "", origin.key.clone());
        let (usual, large) = (encoder(DATAGRAM_BYTES_DEFAULT), encoder(DATAGRAM_BYTES_MAX));
        let hostname = origin.hostname.clone();
        Packer { usual, large, hostname, sequence, too_large: 0, start: 0, end: 0 }
    }

    /// The number of the next datagram.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The next part begins here; whatever was open has been closed.
    pub fn begin(&mut self, at: u64) {
        (self.start, self.end) = (at, at);
    }

    /// Adds a message that ends at `end` of its source. False: it fits no datagram, and is only passed over.
    pub fn push(&mut self, now: i64, outgoing: &Outgoing, end: u64, out: &mut Vec<Packed>) -> bool {
        if self.put(now, outgoing, false).is_err() {
            self.close(out);
            if self.put(now, outgoing, false).is_err() {
                if self.put(now, outgoing, true).is_err() {
                    self.too_large += 1;
                    self.end = end;
                    return false;
                }
                self.end = end;
                self.close(out);
                return true;
            }
        }
        self.end = end;
        true
    }

    /// As [`Packer::push`], into the one datagram that is open, which may become large.
    pub fn push_into_one(&mut self, now: i64, outgoing: &Outgoing, end: u64) -> bool {
        let fits = self.put(now, outgoing, true).is_ok();
        self.too_large += u64::from(!fits);
        self.end = end;
        fits
    }

    /// Passes over what is no message, up to `end`.
    pub fn pass(&mut self, end: u64) {
        self.end = end;
    }

    /// Closes the open datagram. One that holds only what was passed over is empty, but has a number.
    pub fn close(&mut self, out: &mut Vec<Packed>) {
        if self.end == self.start {
            return;
        }
        let encoder = if self.large.is_empty() { &mut self.usual } else { &mut self.large };
        let bytes = encoder.finish(self.sequence, self.too_large).to_vec();
        encoder.clear();
        self.sequence += 1;
        out.push(Packed { bytes, start: self.start, end: self.end });
        self.start = self.end;
    }

    /// How many datagrams there were, for the server: without it the loss of the last ones would not show.
    pub fn heartbeat(&self, now: i64) -> Vec<u8> {
        self.usual.heartbeat(now, self.sequence, self.too_large)
    }

    fn put(&mut self, now: i64, outgoing: &Outgoing, large: bool) -> Result<(), DoesNotFit> {
        let message = &outgoing.message;
        let hostname =
            if message.hostname.is_empty() && !outgoing.is_json { &self.hostname } else { &message.hostname };
        let draft = Draft {
            timestamp: message.timestamp,
            severity: message.severity,
            r#type: &message.r#type,
            logger: Some(&message.logger),
            origin: outgoing.has_origin.then_some((hostname.as_str(), message.pid)),
            env_version: Some(message.env_version.as_str())
                .filter(|version| outgoing.is_json && *version != ENV_VERSION_WIRE),
            payload: &message.payload,
        };
        let encoder = if large { &mut self.large } else { &mut self.usual };
        let tokens = message.tokens.iter().map(String::as_str);
        let fields = message.fields.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        encoder.push(now, &draft, tokens, fields)
    }
}
