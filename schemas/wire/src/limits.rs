//! The sizes that must agree everywhere, each with its unit in its name.

/// Largest datagram a client sends unless configured otherwise: one Ethernet frame.
pub const DATAGRAM_BYTES_DEFAULT: usize = 1_432;
/// Largest datagram that crosses the internet unfragmented nearly everywhere.
pub const DATAGRAM_BYTES_INTERNET: usize = 512;
/// Largest datagram in a jumbo Ethernet frame.
pub const DATAGRAM_BYTES_JUMBO: usize = 8_932;
/// Largest UDP payload over IPv4; only loopback carries it unfragmented.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Smallest datagram size that may be configured: room for a header and a short message.
pub const DATAGRAM_BYTES_MIN: usize = 256;

/// Longest hostname, logger, type or key id: one length byte.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of an HMAC-SHA256 signature.
pub const MAC_BYTES: usize = 32;
/// Longest message body: its length is a `u16`.
pub const MESSAGE_BYTES_MAX: usize = u16::MAX as usize;

/// UDP port of Metlog messages, as every Metlog deployment since 2011 has it.
pub const PORT_METLOG: u16 = 5565;
/// UDP port of statsd.
pub const PORT_STATSD: u16 = 8125;

const _: () = assert!(DATAGRAM_BYTES_MIN < DATAGRAM_BYTES_INTERNET);
const _: () = assert!(DATAGRAM_BYTES_INTERNET < DATAGRAM_BYTES_DEFAULT);
const _: () = assert!(DATAGRAM_BYTES_DEFAULT < DATAGRAM_BYTES_JUMBO);
const _: () = assert!(DATAGRAM_BYTES_JUMBO < DATAGRAM_BYTES_MAX);
const _: () = assert!(DATAGRAM_BYTES_MAX <= MESSAGE_BYTES_MAX);
