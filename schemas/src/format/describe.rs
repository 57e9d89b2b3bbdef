//! Messages as JSON for an operator, the same whatever format they came in.
use crate::wire::Message;
use serde_json::{Value, json};

/// A message; `timestamp`: `None` if it has none of its own, and so gets that of its receipt.
pub(super) fn message(message: &Message, timestamp: Option<i64>) -> Value {
    let fields: serde_json::Map<_, _> = message.fields.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    json!({
        "timestamp": timestamp, "type": message.r#type, "logger": message.logger,
        "severity": message.severity.number(), "hostname": message.hostname, "pid": message.pid,
        "tokens": message.tokens, "payload": message.payload, "fields": fields, "env_version": message.env_version,
    })
}

/// What cannot be read.
pub(super) fn refused(reason: &str, bytes: &[u8]) -> Value {
    json!({"refused": reason, "bytes": String::from_utf8_lossy(bytes)})
}
