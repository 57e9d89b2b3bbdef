//! Rules against datagrams of every form: what is left holds nothing that a rule took out.
mod forms;

use super::*;
use metlog_schemas::format;
use metlog_schemas::format::metlog_json::Decoder;
use metlog_schemas::rows::{MessageRows, Text};
use metlog_schemas::wire::v1::{Datagram, Draft, Encoder};

fn rule(target: Target, action: Action) -> Rule {
    Rule { r#type: None, logger: None, target, action }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

fn rules() -> Rules {
    Rules::new(vec![
        rule(Target::Fields(pattern("email|user")), Action::Hash(b"k".to_vec())),
        rule(Target::Payload(pattern("[0-9]{4}")), Action::Mask("****".into())),
        rule(Target::Tokens(pattern("session-.*")), Action::Drop),
        Rule { r#type: Some("secret".into()), ..rule(Target::Message, Action::Drop) },
    ])
}

fn message(r#type: &str) -> Message {
    Message {
        timestamp: 1_000_000,
        r#type: r#type.into(),
        payload: "card 1234 and 5678".into(),
        tokens: vec!["login".into(), "session-7".into()],
        fields: vec![("email".into(), "jo@example.org".into()), ("emails".into(), "kept".into())],
        ..Message::default()
    }
}

fn as_json(message: &Message, timestamp: Option<&str>) -> Vec<u8> {
    let fields: serde_json::Map<_, _> = message.fields.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let mut object = serde_json::json!({
        "type": message.r#type, "payload": message.payload, "fields": fields, "tokens": message.tokens,
    });
    if let Some(timestamp) = timestamp {
        object["timestamp"] = timestamp.into();
    }
    object.to_string().into_bytes()
}

fn check(found: &Message) {
    assert_eq!(found.payload, "card **** and ****");
    assert_eq!(found.tokens, ["login"]);
    assert_eq!(found.fields[0].1.len(), 32);
    assert_ne!(found.fields[0].1, "jo@example.org");
    assert_eq!(found.fields[1], ("emails".into(), "kept".into()));
    assert_eq!(found.timestamp, 1_000_000);
}

#[test]
fn wire_is_rewritten_under_its_own_number() {
    let mut encoder = Encoder::new(1_432, 9, 1, "h", "l", None);
    for message in [message("a"), message("secret")] {
        let draft = Draft {
            timestamp: message.timestamp,
            r#type: &message.r#type,
            payload: &message.payload,
            ..Draft::default()
        };
        let fields: Vec<_> = message.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        encoder.push(5, &draft, message.tokens.iter().map(String::as_str), fields.into_iter()).unwrap();
    }
    let kept = format::redact(2, encoder.finish(77, 3), &rules());
    assert_eq!(kept.rejected, [("privacy", 1)]);
    let bytes = kept.datagram.unwrap();
    let datagram = Datagram::decode(&bytes).unwrap();
    assert_eq!((datagram.header.sender, datagram.header.sequence, datagram.header.dropped), (9, 77, 3));
    let messages: Vec<Message> = datagram.messages().map(|m| m.unwrap().to_message()).collect();
    assert_eq!(messages.len(), 1);
    check(&messages[0]);
}

#[test]
fn json_is_rewritten_with_its_time() {
    let (good, secret) = (as_json(&message("a"), Some("1970-01-01T00:00:01Z")), as_json(&message("secret"), None));
    let kept = format::redact(2, &[good, b"\n{bad\n".to_vec(), secret].concat(), &rules());
    assert_eq!(kept.rejected.iter().map(|(_, n)| n).sum::<u64>(), 2);
    let (mut decoder, mut rows) = (Decoder::default(), MessageRows::default());
    let line = kept.datagram.unwrap();
    let row = decoder.decode(line.trim_ascii_end(), &mut rows).unwrap();
    assert_eq!(row.get(Text::Type), "a");
    check(&row.to_message(0));
}

#[test]
fn statsd_tags_are_rewritten_and_values_stay() {
    let kept = format::redact(3, b"a:1.5|ms|@0.5|#user:jo,z:1\ng:-3|g\ns:x|s\nbad\n_e{1,9}:t|card 1234", &rules());
    assert_eq!(kept.rejected.len(), 1);
    let text = String::from_utf8(kept.datagram.unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("a:1.5|h|@0.5|#user:") && lines[0].ends_with(",z:1"), "{lines:?}");
    assert!(!text.contains("jo"));
    assert_eq!(&lines[1..], ["g:-3|g", "s:x|s"]);
    assert!(String::from_utf8(kept.moved[0].1.clone()).unwrap().contains("card ****"));
}

#[test]
fn what_cannot_be_read_reaches_no_disk() {
    for bytes in [&b"\xF5MLxxxx"[..], b"", b"hello", b"{\"type\":"] {
        let kept = format::redact(2, bytes, &rules());
        assert!(kept.datagram.is_none() && kept.rejected.len() == 1, "{bytes:?}");
    }
}

#[test]
fn a_heartbeat_stays_as_it_is() {
    let heartbeat = Encoder::new(1_432, 9, 1, "h", "l", None).heartbeat(5, 300, 2);
    let kept = format::redact(2, &heartbeat, &rules());
    assert_eq!((kept.datagram, kept.rejected), (Some(heartbeat), vec![]));
}
