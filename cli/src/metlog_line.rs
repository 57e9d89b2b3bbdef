//! What a line of a replayed file is: a Metlog message in JSON, or text.
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Of Metlog's nine keys, those by which a message is told from any other JSON that a program logs.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    _type: std::borrow::Cow<'a, str>,
    payload: Option<IgnoredAny>,
    fields: Option<IgnoredAny>,
    env_version: Option<IgnoredAny>,
}

/// True for a JSON object that has a `type` in text and one of `payload`, `fields` and `env_version`.
pub fn is_metlog_json(line: &[u8]) -> bool {
    let found = || serde_json::from_slice::<Envelope<'_>>(line).ok();
    line.first() == Some(&b'{')
        && found().is_some_and(|e| e.payload.is_some() || e.fields.is_some() || e.env_version.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metlog_json_is_told_from_other_lines() {
        for (line, expected) in [
            (r#"{"type":"wsgi","payload":"","fields":{"a":[1]},"env_version":"0.8"}"#, true),
            (r#"{"type":"es\u0063aped","payload":7}"#, true),
            (r#"{"type":"x","message":"some other logger's"}"#, false),
            (r#"{"type":7,"payload":""}"#, false),
            (r#"{"level":"info","payload":""}"#, false),
            (r#"{"type":"cut","payload":"#, false),
            (r#"["type"]"#, false),
            ("plain text", false),
            ("", false),
        ] {
            assert_eq!(is_metlog_json(line.as_bytes()), expected, "{line}");
        }
    }
}
