//! The input formats: one folder per format, and one registry that all other code uses.
//!
//! The code of a journal record says which formats its datagrams may have; the first of these that recognises a
//! datagram decodes it. Bytes in, rows out: pure, except for state that depends on the order of the journal, which is
//! behind [`InOrder`]. Nothing outside this folder matches on formats.
mod decoded;
mod describe;
pub mod otlp;
mod redact;
pub mod thrift;

pub use decoded::{
    Buckets, Counts, Decoded, Entry, Grown, InOrder, OwnedSample, REJECT_BYTES_MAX, REJECTS_MAX, Reject, Total, Verdict,
};
pub use redact::{DROPPED, Redacted, Redactor, UNREADABLE};

use crate::wire::v1::SigningKey;
use serde_json::Value;
use statsd::Sample;

/// Codes below are the journal's own or were given before there was a registry; a new format takes one from here on.
pub const CODE_FIRST_NEW: u8 = 16;

/// How datagrams of a format arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP datagrams.
    Udp,
    /// Datagrams of a Unix socket.
    UnixDatagram,
    /// A TCP stream of lines.
    TcpLines,
    /// A Unix stream socket for lines.
    UnixLines,
}

/// A socket through which a format arrives, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Its key in the configuration's `[listener]`.
    pub key: &'static str,
    /// Its name in logs and in texts for users.
    pub name: &'static str,
    /// The code of its records.
    pub code: u8,
    /// How its datagrams arrive.
    pub transport: Transport,
    /// Its default address; `None`: it does not listen by default.
    pub default_port: Option<u16>,
    /// Its default address is left out, with a warning, where another program holds it: that is an error otherwise.
    pub yields: bool,
}

/// A format: which datagrams it reads, and how.
///
/// Its datagrams are those that [`Format::recognises`] accepts. Each goes through [`Format::enter`] in the order of
/// the journal, and then through [`Format::decode`] in any order, with the same [`Entry`] and [`Scratch`].
pub trait Format {
    /// Its name.
    const NAME: &'static str;
    /// The kind of journal record that holds its datagrams. Formats that share sockets share it.
    const CODE: u8;
    /// What records of this code are called.
    const CODE_NAME: &'static str;
    /// True where a datagram is a whole request of any length, whose structure was checked before. False: one of a
    /// socket.
    const IS_WHOLE: bool = false;
    /// Where it comes in; of formats with one code, one names the sockets.
    const SOCKETS: &'static [Socket];

    /// True for a datagram that this format should read.
    fn recognises(datagram: &[u8]) -> bool;

    /// Messages in a datagram, at least 1: an unreadable datagram counts as one.
    fn count(datagram: &[u8]) -> u64;

    /// Checks that one of the keys signed it, if the format supports signatures.
    ///
    /// # Errors
    /// The reason of its refusal.
    fn verify(datagram: &[u8], keys: &[SigningKey]) -> Result<(), &'static str>;

    /// Applies the privacy rules. Unreadable input is refused, since it must not reach a disk either.
    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted;

    /// First part, in the order of the journal: what depends on it.
    fn enter(datagram: &[u8], at: Entry, scratch: &mut Scratch, state: &mut impl InOrder, out: &mut Decoded);

    /// Second part, in any order.
    fn decode(datagram: &[u8], at: Entry, scratch: &mut Scratch, out: &mut Decoded);

    /// Describes its content, each message as a JSON value, for an operator.
    ///
    /// # Errors
    /// If it cannot be read at all, the reason.
    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String>;
}

macro_rules! formats {
    ($($(#[$attribute:meta])* $module:ident: $format:ident),* $(,)?) => {
        $($(#[$attribute])* pub mod $module;)*

        /// Memory of all formats that serves one record after the other.
        #[derive(Debug, Default)]
        pub struct Scratch {
            /// How messages are decoded where there is a choice.
            pub options: Options,
            $($(#[$attribute])* $module: $module::Scratch),*
        }

        impl Scratch {
            /// Begins a record: the indices of its entries start again.
            pub fn begin(&mut self) {
                $($(#[$attribute])* self.$module.begin();)*
            }
        }

        /// The place of each socket that a format comes in by: those of datagrams first, as they are bound.
        pub fn sockets() -> Vec<Socket> {
            let mut sockets = Vec::new();
            $($(#[$attribute])* sockets.extend_from_slice($module::$format::SOCKETS);)*
            sockets.sort_by_key(|socket: &Socket| socket.transport);
            sockets
        }

        /// Each format's name and code.
        pub fn all() -> Vec<(&'static str, u8)> {
            vec![$($(#[$attribute])* ($module::$format::NAME, $module::$format::CODE)),*]
        }

        /// What records of a code are called; `None`: no format has it.
        pub fn name(code: u8) -> Option<&'static str> {
            $($(#[$attribute])* if code == $module::$format::CODE {
                return Some($module::$format::CODE_NAME);
            })*
            None
        }

        /// See [`Format::IS_WHOLE`].
        pub fn is_whole(code: u8) -> bool {
            $($(#[$attribute])* if code == $module::$format::CODE {
                return $module::$format::IS_WHOLE;
            })*
            false
        }

        /// See [`Format::count`].
        pub fn count(code: u8, datagram: &[u8]) -> u64 {
            $($(#[$attribute])* if code == $module::$format::CODE && $module::$format::recognises(datagram) {
                return $module::$format::count(datagram);
            })*
            1
        }

        /// See [`Format::verify`].
        ///
        /// # Errors
        /// The reason of its refusal.
        pub fn verify(code: u8, datagram: &[u8], keys: &[SigningKey]) -> Result<(), &'static str> {
            $($(#[$attribute])* if code == $module::$format::CODE && $module::$format::recognises(datagram) {
                return $module::$format::verify(datagram, keys);
            })*
            Err(unrecognised(datagram))
        }

        /// See [`Format::redact`].
        pub fn redact(code: u8, datagram: &[u8], rules: &dyn Redactor) -> Redacted {
            $($(#[$attribute])* if code == $module::$format::CODE && $module::$format::recognises(datagram) {
                return $module::$format::redact(datagram, rules);
            })*
            Redacted::refused(unrecognised(datagram))
        }

        /// See [`Format::enter`]. [`Scratch::begin`] comes before the first datagram of a record.
        #[inline]
        pub fn enter(
            code: u8,
            datagram: &[u8],
            at: Entry,
            scratch: &mut Scratch,
            state: &mut impl InOrder,
            out: &mut Decoded,
        ) {
            $($(#[$attribute])* if code == $module::$format::CODE && $module::$format::recognises(datagram) {
                return $module::$format::enter(datagram, at, scratch, state, out);
            })*
        }

        /// See [`Format::decode`]. Counts the datagram, and refuses what no format of the code recognises.
        #[inline]
        pub fn decode(code: u8, datagram: &[u8], at: Entry, scratch: &mut Scratch, out: &mut Decoded) {
            out.counts.datagrams += 1;
            $($(#[$attribute])* if code == $module::$format::CODE && $module::$format::recognises(datagram) {
                return $module::$format::decode(datagram, at, scratch, out);
            })*
            out.reject(at, unrecognised(datagram), 1, datagram);
        }

        /// See [`Format::describe`].
        ///
        /// # Errors
        /// If it cannot be read at all, the reason.
        pub fn describe(code: u8, datagram: &[u8]) -> Result<Vec<Value>, String> {
            $($(#[$attribute])* if code == $module::$format::CODE && $module::$format::recognises(datagram) {
                return $module::$format::describe(datagram);
            })*
            Err(unrecognised(datagram).to_owned())
        }

        /// What a datagram says whose code is not known: the first format that can read it describes it.
        ///
        /// # Errors
        /// If none can, the reason of the first that recognises it.
        pub fn describe_any(datagram: &[u8]) -> Result<Vec<Value>, String> {
            let mut why = None;
            $($(#[$attribute])* if $module::$format::recognises(datagram) {
                match $module::$format::describe(datagram) {
                    Ok(values) => return Ok(values),
                    Err(reason) => { why.get_or_insert(reason); }
                }
            })*
            Err(why.unwrap_or_else(|| unrecognised(datagram).to_owned()))
        }
    };
}

// One line a format. Of those with one code the first that recognises a datagram takes it.
formats! {
    wire: Wire,
    metlog_json: MetlogJson,
    statsd: Statsd,
    jaeger: Jaeger,
    zipkin: Zipkin,
    scribe: Scribe,
    spans: Spans,
    otlp_traces: OtlpTraces,
    otlp_logs: OtlpLogs,
    otlp_metrics: OtlpMetrics,
    oslo_metrics: OsloMetrics,
    #[cfg(feature = "toy")] toy: ToyLines,
}

/// What of decoding is configured. It is part of what a journal is read back by, so it must be kept with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Fields of Metlog JSON counters and timers that become tags; `hostname` stands for the message's host. The rest
    /// is left out, as are all where none is named.
    pub json_tags: Vec<String>,
    /// What a gauge with a sign means.
    pub gauge_deltas: statsd::GaugeDeltas,
}

/// The reason of a datagram that is of no known format.
fn unrecognised(datagram: &[u8]) -> &'static str {
    if datagram.is_empty() { "empty" } else { "not_metlog" }
}

#[cfg(test)]
mod tests;
