//! Rules of privacy on Metlog JSON: each message is written again, flat.
use super::{Decoder, kind_of, objects};
use crate::format::redact::{Redacted, Redactor};
use crate::rows::{MessageRows, Row};
use crate::wire::Message;

/// One line for each message that is left.
pub(super) fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
    let mut redacted = Redacted::default();
    let mut lines = Vec::new();
    let (mut decoder, mut rows) = (Decoder::default(), MessageRows::default());
    for object in objects(datagram) {
        match decoder.decode(object, &mut rows) {
            Ok(row) => {
                let timestamp = row.timestamp;
                let mut message = row.to_message(0);
                own_fields_first(&row, &mut message);
                match rules.message(&mut message) {
                    Ok(()) => {
                        lines.extend_from_slice(&as_json(&message, timestamp));
                        lines.push(b'\n');
                    }
                    Err(reason) => redacted.rejected.push((reason, 1)),
                }
            }
            Err(refusal) => redacted.rejected.push((refusal.reason(), 1)),
        }
    }
    redacted.datagram = (!lines.is_empty()).then_some(lines);
    redacted
}

/// What a statistic is made of stands in its own `fields`. Where another key of the message took such a name, so that
/// it is the second, they change places: written again, all of them are `fields`.
fn own_fields_first(row: &Row<'_>, message: &mut Message) {
    if kind_of(row).is_none() {
        return;
    }
    let own: Vec<String> = message.fields[row.own_fields.clone()].iter().map(|(key, _)| key.clone()).collect();
    for second in own {
        let Some(name) = second.strip_suffix("#2") else { continue };
        let Some(own) = row.field_value(name) else { continue };
        let at = |wanted: &str| message.fields.iter().position(|(key, _)| key == wanted);
        if let (Some(first), Some(second)) = (at(name), at(&second))
            && let Ok([first, second]) = message.fields.get_disjoint_mut([first, second])
            && first.1 != own
        {
            std::mem::swap(&mut first.1, &mut second.1);
        }
    }
}

/// Metlog JSON of a message. `timestamp`: `None` if it has none.
pub fn as_json(message: &Message, timestamp: Option<i64>) -> Vec<u8> {
    let fields: serde_json::Map<_, _> =
        message.fields.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    let mut object = serde_json::json!({
        "type": message.r#type, "logger": message.logger, "severity": message.severity.number(),
        "payload": message.payload, "fields": fields, "tokens": message.tokens, "env_version": message.env_version,
        "metlog_hostname": message.hostname, "metlog_pid": message.pid,
    });
    if let Some(timestamp) = timestamp {
        object["timestamp"] = crate::time::rfc3339(timestamp).into();
    }
    object.to_string().into_bytes()
}
