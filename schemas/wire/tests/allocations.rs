//! The decoder allocates nothing: counted by the allocator itself.
#![allow(clippy::unwrap_used)]
mod allocator;

use allocator::counted;
use metlog_wire::limits::DATAGRAM_BYTES_JUMBO;
use metlog_wire::v1::{Datagram, Draft, Encoder};

const TOKENS: [&str; 3] = ["browserid", "login", "success"];
const FIELDS: [(&str, &str); 2] = [("headers.path", "/1.0/11224/apps/"), ("userid", "25")];
const PAYLOAD: &str = "logged in: Zoë";

/// As many messages as fit, every second one with a logger, an origin and an env_version of its own.
fn many() -> (Vec<u8>, usize) {
    let mut encoder = Encoder::new(DATAGRAM_BYTES_JUMBO, 1, 2, "web-1", "shop", None);
    let plain = Draft { timestamp: 7, r#type: "login", payload: PAYLOAD, ..Draft::default() };
    let own = Draft { logger: Some("auth"), origin: Some(("web-2", 3)), env_version: Some("0.8"), ..plain };
    let mut drafts = [plain, own].into_iter().cycle();
    while drafts.next().is_some_and(|draft| encoder.push(7, &draft, TOKENS.into_iter(), FIELDS.into_iter()).is_ok()) {}
    let messages = encoder.messages() as usize;
    (encoder.finish(4, 5).to_vec(), messages)
}

/// Reads everything there is: how many messages, and how many bytes of tokens, payloads and fields.
fn walk(bytes: &[u8]) -> Option<(usize, usize)> {
    let datagram = Datagram::decode(bytes).ok()?;
    let mut seen = (0, 0);
    for message in datagram.messages().flatten() {
        let texts: usize = message.tokens.chain(message.fields).map(str::len).sum();
        seen = (seen.0 + 1, seen.1 + texts + message.payload.len());
    }
    Some(seen)
}

#[test]
fn the_count_counts() {
    assert_eq!(counted(|| drop(std::hint::black_box(Box::new(7)))).1, 1);
    assert_eq!(counted(|| drop(std::hint::black_box(vec![1; 9]))).1, 1);
}

/// Guarantees: a datagram is read to the last field of its last message without an allocation.
#[test]
fn a_valid_datagram_is_read_without_allocations() {
    let (bytes, messages) = many();
    assert!(messages > 50, "{messages}");
    let fields: usize = FIELDS.iter().map(|(key, value)| key.len() + value.len()).sum();
    let each = TOKENS.iter().map(|token| token.len()).sum::<usize>() + fields + PAYLOAD.len();
    assert_eq!(counted(|| walk(&bytes)), (Some((messages, messages * each)), 0));
}

/// Scenario: the datagram is cut at each byte of its first messages in turn, and each of them is changed.
/// Guarantees: what is refused costs no allocation either, so that bad senders cost no more than good ones.
#[test]
fn a_bad_datagram_is_refused_without_allocations() {
    let (mut bytes, _) = many();
    for end in 0..600 {
        assert_eq!(counted(|| walk(&bytes[..end])).1, 0, "cut at {end}");
    }
    for at in 0..600 {
        bytes[at] ^= 0xFF;
        assert_eq!(counted(|| walk(&bytes)).1, 0, "changed at {at}");
        bytes[at] ^= 0xFF;
    }
}
