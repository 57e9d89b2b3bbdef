//! Wire v1: what is written is read; what was tampered with or cut is refused.
use super::*;

fn draft<'a>() -> Draft<'a> {
    Draft { timestamp: 1_000_250, r#type: "login", payload: "hello, wörld", ..Draft::default() }
}

fn encoder(capacity: usize, key: Option<SigningKey>) -> Encoder {
    Encoder::new(capacity, 7, 42, "host-1", "browserid", key)
}

fn key() -> SigningKey {
    SigningKey { id: "k1".into(), secret: b"secret".to_vec() }
}

fn push(encoder: &mut Encoder, draft: &Draft<'_>) -> Result<(), DoesNotFit> {
    encoder.push(1_000_000, draft, ["a", "b"].into_iter(), [("k", "v")].into_iter())
}

#[test]
fn reads_what_was_written() {
    let mut encoder = encoder(512, None);
    push(&mut encoder, &draft()).unwrap();
    let own = Draft { logger: Some("other"), origin: Some(("h2", -5)), env_version: Some("0.8"), ..draft() };
    push(&mut encoder, &own).unwrap();
    let bytes = encoder.finish(3, 9).to_vec();
    let datagram = Datagram::decode(&bytes).unwrap();
    let header = Header {
        sender: 7,
        sequence: 3,
        opened_at: 1_000_000,
        dropped: 9,
        pid: 42,
        hostname: "host-1",
        logger: "browserid",
        key_id: None,
    };
    assert_eq!(datagram.header, header);
    let messages: Vec<Message> = datagram.messages().map(|m| m.unwrap().to_message()).collect();
    let first = Message {
        timestamp: 1_000_250,
        r#type: "login".into(),
        logger: "browserid".into(),
        severity: Severity::INFORMATIONAL,
        hostname: "host-1".into(),
        pid: 42,
        tokens: vec!["a".into(), "b".into()],
        payload: "hello, wörld".into(),
        fields: vec![("k".into(), "v".into())],
        env_version: ENV_VERSION_WIRE.into(),
    };
    let second =
        Message { logger: "other".into(), hostname: "h2".into(), pid: -5, env_version: "0.8".into(), ..first.clone() };
    assert_eq!(messages, [first, second]);
}

#[test]
fn a_signature_covers_every_byte() {
    let mut encoder = encoder(512, Some(key()));
    push(&mut encoder, &draft()).unwrap();
    let bytes = encoder.finish(0, 0).to_vec();
    assert_eq!(Datagram::decode(&bytes).unwrap().verify(b"secret"), Ok(()));
    assert_eq!(Datagram::decode(&bytes).unwrap().verify(b"wrong"), Err(Refusal::BadSignature));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verified = Datagram::decode(&changed).and_then(|datagram| datagram.verify(b"secret"));
        assert!(verified.is_err(), "a change at byte {at} went unseen");
    }
}

#[test]
fn a_full_datagram_says_so_and_stays_whole() {
    let mut encoder = encoder(256, Some(key()));
    let mut held = 0;
    while push(&mut encoder, &draft()).is_ok() {
        held += 1;
    }
    assert!(held > 2);
    let bytes = encoder.finish(0, 0).to_vec();
    assert!(bytes.len() <= 256);
    assert_eq!(Datagram::decode(&bytes).unwrap().messages().filter(Result::is_ok).count(), held);
    encoder.clear();
    let long = "x".repeat(300);
    let refused = push(&mut encoder, &Draft { payload: &long, ..draft() });
    assert_eq!(refused, Err(DoesNotFit { never: true }));
    assert_eq!(push(&mut encoder, &draft()), Ok(()));
}

#[test]
fn every_cut_is_refused_or_shorter() {
    let mut encoder = encoder(512, None);
    push(&mut encoder, &draft()).unwrap();
    push(&mut encoder, &draft()).unwrap();
    let bytes = encoder.finish(0, 0).to_vec();
    for end in 0..bytes.len() {
        if let Ok(datagram) = Datagram::decode(&bytes[..end]) {
            assert!(datagram.messages().filter(Result::is_ok).count() < 2);
        }
    }
}

#[test]
fn a_count_that_lies_is_refused() {
    let mut encoder = encoder(512, None);
    encoder.push(0, &draft(), [].into_iter(), [].into_iter()).unwrap();
    let mut bytes = encoder.finish(0, 0).to_vec();
    let last = bytes.len() - 1;
    bytes[last] = 0x7F;
    let messages: Vec<_> = Datagram::decode(&bytes).unwrap().messages().collect();
    assert_eq!(messages, [Err(Refusal::Truncated)]);
}

#[test]
fn a_signature_covers_every_byte_of_a_heartbeat() {
    let bytes = encoder(512, Some(key())).heartbeat(5, 6, 7);
    assert_eq!(Datagram::decode(&bytes).unwrap().verify(b"secret"), Ok(()));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let verified = Datagram::decode(&changed).and_then(|datagram| datagram.verify(b"secret"));
        assert!(verified.is_err(), "a change at byte {at} went unseen");
    }
}

/// Scenario: a sender whose identity happens to be that of heartbeats, and bytes that are nearly a heartbeat.
/// Guarantees: they are read as before there were heartbeats.
#[test]
fn what_is_no_heartbeat_is_an_ordinary_datagram() {
    let heartbeat = encoder(512, None).heartbeat(5, 6, 7);
    let with_frame = [&heartbeat[..], &[7, 0, 6, 0, 1, b't', 0, 0, 0]].concat();
    let mut of_another = heartbeat.clone();
    of_another[PREAMBLE_BYTES] = 1;
    let mut numbered = heartbeat.clone();
    numbered[PREAMBLE_BYTES + 8] = 1;
    let mut shorter = heartbeat[..heartbeat.len() - 1].to_vec();
    shorter[PREAMBLE_BYTES - 2] -= 1;
    let mut zero = Encoder::new(512, HEARTBEAT_SENDER, 42, "host-1", "browserid", None);
    let zero = zero.finish(0, 0).to_vec();
    for (bytes, messages) in [(with_frame, 1), (of_another, 0), (numbered, 0), (shorter, 0), (zero, 0)] {
        let datagram = Datagram::decode(&bytes).unwrap();
        assert_eq!((datagram.heartbeat, datagram.messages().filter(Result::is_ok).count()), (None, messages));
    }
}
