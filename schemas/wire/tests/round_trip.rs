//! Whatever is written as wire v1 is read back as it was, and no bytes make the reader panic.
#![allow(clippy::unwrap_used)]
use metlog_wire::limits::{DATAGRAM_BYTES_MAX, NAME_BYTES_MAX};
use metlog_wire::message::ENV_VERSION_WIRE;
use metlog_wire::span::{Kind, Status, Value};
use metlog_wire::v1::{
    Datagram, Draft, Encoded, Encoder, Frame, HEARTBEAT_SENDER, Header, Heartbeat, Refusal, SigningKey, SpanDraft,
};
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

/// An attribute that owns its parts.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Str(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Bytes(Vec<u8>),
    Nested(Vec<u8>),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Owned::Str(text) => Value::Str(text),
            Owned::Int(number) => Value::Int(*number),
            Owned::Double(number) => Value::Double(*number),
            Owned::Bool(value) => Value::Bool(*value),
            Owned::Bytes(bytes) => Value::Bytes(bytes),
            Owned::Nested(bytes) => Value::Nested(bytes),
        }
    }
}

type Pairs = Vec<(String, Owned)>;

fn pairs() -> impl Strategy<Value = Pairs> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..8);
    let value = prop_oneof![
        any::<String>().prop_map(Owned::Str),
        any::<i64>().prop_map(Owned::Int),
        (-1e300..1e300_f64).prop_map(Owned::Double),
        any::<bool>().prop_map(Owned::Bool),
        bytes().prop_map(Owned::Bytes),
        bytes().prop_map(Owned::Nested),
    ];
    prop::collection::vec(("\\PC{0,8}", value), 0..5)
}

fn borrowed(pairs: &Pairs) -> impl ExactSizeIterator<Item = (&str, Value<'_>)> {
    pairs.iter().map(|(key, value)| (key.as_str(), value.value()))
}

fn encoded(pairs: &Pairs) -> Encoded {
    let mut encoded = Encoded::default();
    borrowed(pairs).for_each(|(key, value)| encoded.attribute(key, value));
    encoded
}

/// What a span has of which there may be many: resource, attributes, events and links.
type Many = (Option<Pairs>, Pairs, Vec<(i32, String, Pairs, u32)>, Vec<([u8; 16], [u8; 8], String, u32, Pairs)>);

fn many() -> impl Strategy<Value = Many> {
    let events = prop::collection::vec((any::<i32>(), "\\PC{0,8}", pairs(), any::<u32>()), 0..4);
    let links = prop::collection::vec((any::<[u8; 16]>(), any::<[u8; 8]>(), "[a-z]{0,4}", any::<u32>(), pairs()), 0..4);
    (prop::option::of(pairs()), pairs(), events, links)
}

proptest! {
    /// Guarantees: a span is read as it was written, and no change of its bytes makes the reader panic.
    #[test]
    fn spans_are_read_as_they_were_written(
        sender in sender(),
        (trace_id, span_id, parent_span_id) in any::<([u8; 16], [u8; 8], [u8; 8])>(),
        (start, duration, flags) in (0..4_000_000_000_000_000_000_i64, any::<i64>(), any::<u32>()),
        (kind, status) in (0..6_i32, 0..3_i32),
        (name, message, trace_state) in ("\\PC{0,20}", "\\PC{0,8}", "[a-z=,]{0,8}"),
        (service, origin) in (prop::option::of(name()), prop::option::of((name(), any::<i64>()))),
        probability in prop::option::of(0.0..1.0_f64),
        (resource, attributes, events, links) in many(),
        dropped in any::<[u32; 3]>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let own = resource.as_ref().map(encoded);
        let (mut encoded_events, mut encoded_links) = (Encoded::default(), Encoded::default());
        for (after, name, pairs, dropped) in &events {
            encoded_events.event(i64::from(*after), name, borrowed(pairs));
            encoded_events.dropped_attributes(*dropped);
        }
        for (trace_id, span_id, state, flags, pairs) in &links {
            encoded_links.link(*trace_id, *span_id, state, *flags, borrowed(pairs));
        }
        let encoded_attributes = encoded(&attributes);
        let draft = SpanDraft {
            trace_id, span_id, parent_span_id, start_unix_nanos: start, duration_nanos: duration, flags,
            kind: Kind::of_number(kind).unwrap(), status: Status::of_number(status).unwrap(),
            status_message: &message, name: &name, trace_state: &trace_state, sampling_probability: probability,
            service: service.as_deref(), origin: origin.as_ref().map(|(hostname, pid)| (hostname.as_str(), *pid)),
            resource: own.as_ref(), attributes: Some(&encoded_attributes), events: Some(&encoded_events),
            links: Some(&encoded_links), dropped,
        };
        let mut encoder =
            Encoder::new(DATAGRAM_BYTES_MAX, sender.sender, sender.pid, &sender.hostname, &sender.logger, None);
        encoder.push_span(sender.opened_at, &draft).unwrap();
        let mut bytes = encoder.finish(1, 2).to_vec();
        let datagram = Datagram::decode(&bytes).unwrap();
        prop_assert_eq!(datagram.messages().collect::<Vec<_>>(), [Err(Refusal::UnknownVersion)]);
        let Some(Ok(Frame::Span(view))) = datagram.frames().next() else { panic!("no span") };
        prop_assert_eq!((view.trace_id, view.span_id, view.parent_span_id), (trace_id, span_id, parent_span_id));
        prop_assert_eq!((view.start_unix_nanos, view.duration_nanos, view.flags), (start, duration, flags));
        prop_assert_eq!((view.kind.number(), view.status.number()), (kind, status));
        prop_assert_eq!((view.name, view.status_message, view.trace_state), (&*name, &*message, &*trace_state));
        prop_assert_eq!(view.sampling_probability, probability);
        prop_assert_eq!(view.service, service.as_deref().unwrap_or(&sender.logger));
        let (hostname, pid) = origin.unwrap_or((sender.hostname, i64::from(sender.pid)));
        prop_assert_eq!((view.hostname, view.pid), (&*hostname, pid));
        prop_assert!(view.resource.eq(resource.iter().flat_map(borrowed)));
        prop_assert!(view.attributes.eq(borrowed(&attributes)));
        prop_assert_eq!(view.events.count(), events.len());
        for (found, (after, name, pairs, dropped)) in view.events.zip(&events) {
            prop_assert_eq!((found.unix_nanos - start, found.name), (i64::from(*after), name.as_str()));
            prop_assert_eq!(found.dropped_attributes, *dropped);
            prop_assert!(found.attributes.eq(borrowed(pairs)));
        }
        prop_assert_eq!(view.links.count(), links.len());
        for (found, (trace_id, span_id, state, flags, pairs)) in view.links.zip(&links) {
            prop_assert_eq!((found.trace_id, found.span_id, found.flags), (*trace_id, *span_id, *flags));
            prop_assert_eq!(found.trace_state, state.as_str());
            prop_assert!(found.attributes.eq(borrowed(pairs)));
        }
        prop_assert_eq!([view.dropped_attributes, view.dropped_events, view.dropped_links], dropped);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(datagram) = Datagram::decode(&bytes) {
            for frame in datagram.frames().flatten() {
                if let Frame::Span(view) = frame {
                    let parts = view.events.flat_map(|event| event.attributes).chain(view.links.flat_map(|link| link.attributes));
                    let _ = view.attributes.chain(parts).count();
                }
            }
        }
    }
}
