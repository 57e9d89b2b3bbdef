//! Examples of wire v1 as files: their bytes in hexadecimal, and what they hold in JSON.
use metlog_schemas::wire::v1::{Datagram, Frame};
use serde_json::{Value, json};

/// Sixteen bytes a line.
pub fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// What a datagram holds; `of` says it of frames that are no messages.
pub fn described(bytes: &[u8], of: impl Fn(Frame<'_>) -> Value) -> String {
    let datagram = Datagram::decode(bytes).unwrap();
    let header = datagram.header;
    let frame = |frame: Frame<'_>| match frame {
        Frame::Message(view) => {
            let m = view.to_message();
            json!({
                "timestamp": m.timestamp, "type": m.r#type, "logger": m.logger, "severity": m.severity.number(),
                "hostname": m.hostname, "pid": m.pid, "tokens": m.tokens, "payload": m.payload, "fields": m.fields,
                "env_version": m.env_version,
            })
        }
        other => of(other),
    };
    let described = json!({
        "header": {
            "sender": header.sender, "sequence": header.sequence, "opened_at": header.opened_at,
            "dropped": header.dropped, "pid": header.pid, "hostname": header.hostname, "logger": header.logger,
            "key_id": header.key_id,
        },
        "messages": datagram.frames().map(|one| frame(one.unwrap())).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&described).unwrap() + "\n"
}

/// Compares a file of `examples` with what it should hold; writes it where `METLOG_WRITE_EXAMPLES` is set.
#[track_caller]
pub fn is_written(name: &str, content: &str) {
    let path = std::path::Path::new("examples").join(name);
    if std::env::var_os("METLOG_WRITE_EXAMPLES").is_some() {
        std::fs::write(&path, content).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), content, "{name}");
}
