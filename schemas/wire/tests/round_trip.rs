//! Whatever is written as wire v1 is read back as it was, and no bytes make the reader panic.
#![allow(clippy::unwrap_used)]
use metlog_wire::limits::{DATAGRAM_BYTES_MAX, NAME_BYTES_MAX};
use metlog_wire::message::ENV_VERSION_WIRE;
use metlog_wire::v1::{Datagram, Draft, Encoder, HEARTBEAT_SENDER, Header, Heartbeat, SigningKey};
use metlog_wire::{Message, Severity};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "\\PC{0,60}".prop_map(|mut name| {
        name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
        name
    })
}

prop_compose! {
    fn message()(
        timestamp in any::<i64>(),
        names in (name(), name(), name(), prop_oneof![Just(ENV_VERSION_WIRE.to_owned()), name()]),
        severity in 0..8u8,
        pid in any::<i64>(),
        tokens in prop::collection::vec("\\PC{0,20}", 0..5),
        payload in prop_oneof![any::<String>(), "\\PC{200,400}"],
        fields in prop::collection::vec(("\\PC{0,10}", any::<String>()), 0..5),
    ) -> Message {
        let (r#type, logger, hostname, env_version) = names;
        let severity = Severity::new(severity).unwrap();
        Message { timestamp, r#type, logger, severity, hostname, pid, tokens, payload, fields, env_version }
    }
}

#[derive(Debug, Clone)]
struct Sender {
    sender: u64,
    pid: u32,
    hostname: String,
    logger: String,
    key: Option<SigningKey>,
    capacity: usize,
    opened_at: i64,
}

prop_compose! {
    fn sender()(
        (sender, pid) in any::<(u64, u32)>(),
        (hostname, logger) in (name(), name()),
        key in prop::option::of((name(), prop::collection::vec(any::<u8>(), 0..100))),
        capacity in 256..DATAGRAM_BYTES_MAX,
        // A difference to any timestamp must fit an i64; clocks are not further off.
        opened_at in 0..4_000_000_000_000_000i64,
    ) -> Sender {
        let key = key.map(|(id, secret)| SigningKey { id, secret });
        Sender { sender, pid, hostname, logger, key, capacity, opened_at }
    }
}

/// As the client does it: what the header says is not said again.
fn push(encoder: &mut Encoder, sender: &Sender, message: &Message) -> bool {
    let own_origin = message.hostname != sender.hostname || message.pid != i64::from(sender.pid);
    let draft = Draft {
        timestamp: message.timestamp,
        severity: message.severity,
        r#type: &message.r#type,
        logger: (message.logger != sender.logger).then_some(&*message.logger),
        origin: own_origin.then_some((&*message.hostname, message.pid)),
        env_version: (message.env_version != ENV_VERSION_WIRE).then_some(&*message.env_version),
        payload: &message.payload,
    };
    let fields = message.fields.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    encoder.push(sender.opened_at, &draft, message.tokens.iter().map(String::as_str), fields).is_ok()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        sender in sender(),
        mut messages in prop::collection::vec(message(), 0..8),
        (sequence, dropped) in any::<(u64, u64)>(),
    ) {
        for message in &mut messages {
            message.timestamp = message.timestamp.clamp(i64::MIN / 2, i64::MAX / 2);
        }
        let (id, pid, key) = (sender.sender, sender.pid, sender.key.clone());
        let mut encoder = Encoder::new(sender.capacity, id, pid, &sender.hostname, &sender.logger, key);
        messages.retain(|message| push(&mut encoder, &sender, message));
        let bytes = encoder.finish(sequence, dropped).to_vec();
        if !messages.is_empty() {
            prop_assert!(bytes.len() <= sender.capacity);
        }
        let datagram = Datagram::decode(&bytes).unwrap();
        let header = datagram.header;
        prop_assert_eq!((header.sender, header.sequence, header.dropped, header.pid), (id, sequence, dropped, pid));
        prop_assert_eq!((header.hostname, header.logger), (sender.hostname.as_str(), sender.logger.as_str()));
        prop_assert_eq!(header.key_id, sender.key.as_ref().map(|key| key.id.as_str()));
        prop_assert_eq!(datagram.heartbeat, None);
        if let Some(key) = &sender.key {
            prop_assert_eq!(datagram.verify(&key.secret), Ok(()));
        }
        let found: Vec<Message> = datagram.messages().map(|message| message.unwrap().to_message()).collect();
        prop_assert_eq!(found, messages);
        encoder.clear();
        prop_assert!(Datagram::decode(encoder.finish(0, 0)).unwrap().messages().next().is_none());
    }

    /// Guarantees: a heartbeat says what its sender says elsewhere, and leaves the datagram that is being written alone.
    #[test]
    fn a_heartbeat_is_read_as_it_was_written(
        sender in sender(),
        message in message(),
        (next, dropped) in any::<(u64, u64)>(),
    ) {
        let (id, pid, key) = (sender.sender, sender.pid, sender.key.clone());
        let mut encoder = Encoder::new(sender.capacity, id, pid, &sender.hostname, &sender.logger, key);
        let _ = push(&mut encoder, &sender, &message);
        let before = encoder.finish(3, 4).to_vec();
        let bytes = encoder.heartbeat(sender.opened_at, next, dropped);
        let datagram = Datagram::decode(&bytes).unwrap();
        prop_assert_eq!(datagram.heartbeat, Some(Heartbeat { sender: id, next, dropped }));
        let header = Header {
            sender: HEARTBEAT_SENDER,
            sequence: 0,
            opened_at: sender.opened_at,
            dropped: 0,
            ..Datagram::decode(&before).unwrap().header
        };
        prop_assert_eq!(datagram.header, header);
        prop_assert!(datagram.messages().next().is_none());
        if let Some(key) = &sender.key {
            prop_assert_eq!(datagram.verify(&key.secret), Ok(()));
        }
        prop_assert_eq!(encoder.finish(3, 4), before);
    }

    #[test]
    fn changed_bytes_make_no_panic(
        sender in sender(),
        message in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (id, pid, key) = (sender.sender, sender.pid, sender.key.clone());
        let mut encoder = Encoder::new(sender.capacity, id, pid, &sender.hostname, &sender.logger, key);
        while encoder.messages() < 3 && push(&mut encoder, &sender, &message) {}
        let mut bytes = encoder.finish(1, 2).to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2).min(bytes.len()));
        if let Ok(datagram) = Datagram::decode(&bytes) {
            let _ = datagram.verify(b"key");
            for message in datagram.messages().flatten() {
                let _ = message.to_message();
            }
        }
    }
}
