//! Properties of the readers: what is written is read, no shape is refused, and no bytes make them panic.
#![allow(clippy::unwrap_used)]
use metlog_schemas::metlog_json::{Decoder, objects, statistic};
use metlog_schemas::rows::Rows;
use metlog_schemas::statsd::{self, Annotation, Kind, Lines, Reason, Sample, Value};
use proptest::prelude::*;
use serde_json::Value as Json;

/// A sample that owns its parts.
#[derive(Debug, Clone, PartialEq)]
struct Owned {
    name: String,
    tags: String,
    kind: Kind,
    value: OwnedValue,
    rate: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum OwnedValue {
    Number(f64),
    Delta(f64),
    Member(Vec<u8>),
}

#[derive(Default)]
struct Told {
    samples: Vec<Owned>,
    others: usize,
}

impl Lines for Told {
    fn sample(&mut self, sample: Sample<'_>) {
        assert!(!sample.name.is_empty() && sample.rate.is_finite() && sample.rate > 0.0);
        let _ = statsd::canonical(sample.name, sample.tags);
        let value = match sample.value {
            Value::Number(number) => OwnedValue::Number(number),
            Value::Delta(number) => OwnedValue::Delta(number),
            Value::Member(member) => OwnedValue::Member(member.to_vec()),
        };
        if let OwnedValue::Number(number) | OwnedValue::Delta(number) = value {
            assert!(number.is_finite());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, tags) = (text(sample.name), text(sample.tags));
        self.samples.push(Owned { name, tags, kind: sample.kind, value, rate: sample.rate });
    }
    fn message(&mut self, annotation: &Annotation<'_>) {
        annotation.write(&mut Rows::default().begin());
        self.others += 1;
    }
    fn bad(&mut self, line: &[u8], _: Reason) {
        assert!(!line.is_empty());
        self.others += 1;
    }
}

fn told(datagram: &[u8]) -> Told {
    let mut told = Told::default();
    statsd::parse(datagram, &mut told);
    told
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(f64::from),
        (any::<i32>(), 0..7).prop_map(|(number, digits)| f64::from(number) / 10f64.powi(digits)),
        prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL,
    ]
}

/// A sample with the word of its type.
fn sample() -> impl Strategy<Value = (Owned, &'static str)> {
    let value = (0..6usize, finite(), "[a-z0-9:@#.]{1,12}");
    let rate = prop_oneof![Just(1.0), 1e-9..1.0f64];
    ("[a-zA-Z][a-zA-Z0-9_. /;=,#-]{0,20}", "([a-z]{1,5}(:[a-z0-9:./]{0,8})?(,[a-z]{1,3}){0,2})?", value, rate).prop_map(
        |(name, tags, (which, number, member), rate)| {
            let (kind, word, value) = match which {
                0 => (Kind::Counter, "c", OwnedValue::Number(number)),
                1 => (Kind::Gauge, "g", OwnedValue::Number(number.abs())),
                2 => (Kind::Gauge, "g", OwnedValue::Delta(number)),
                3 => (Kind::Timer, "ms", OwnedValue::Number(number.abs())),
                4 => (Kind::Timer, if rate < 1.0 { "h" } else { "d" }, OwnedValue::Number(number)),
                _ => (Kind::Set, "s", OwnedValue::Member(member.into_bytes())),
            };
            (Owned { name, tags, kind, value, rate }, word)
        },
    )
}

fn value_text(value: &OwnedValue) -> String {
    match value {
        OwnedValue::Number(number) => format!("{number}"),
        OwnedValue::Delta(number) => format!("{number:+}"),
        OwnedValue::Member(member) => String::from_utf8(member.clone()).unwrap(),
    }
}

fn line(sample: &Owned, word: &str) -> String {
    let rate = if sample.rate == 1.0 { String::new() } else { format!("|@{}", sample.rate) };
    let tags = if sample.tags.is_empty() { String::new() } else { format!("|#{}", sample.tags) };
    format!("{}:{}|{word}{rate}{tags}", sample.name, value_text(&sample.value))
}

/// What `fields` are to become, in the plainest way.
fn flat(value: &Json, path: String, fields: &mut Vec<(String, String)>) {
    let text = match value {
        Json::Object(members) if !members.is_empty() => {
            return members.iter().for_each(|(key, value)| flat(value, format!("{path}.{key}"), fields));
        }
        Json::Array(items) if !items.is_empty() => {
            return items.iter().enumerate().for_each(|(n, item)| flat(item, format!("{path}[{n}]"), fields));
        }
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let taken = |key: &str| fields.iter().any(|(taken, _)| taken == key);
    let key = match taken(&path) {
        true => (2..).map(|n| format!("{path}#{n}")).find(|key| !taken(key)).unwrap(),
        false => path,
    };
    fields.push((key, text));
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[ -~]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec(("[a-c.#]{0,2}|\\PC{0,4}", inner), 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Pieces that make lines and objects nearly right.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_line_gives_back_its_sample(samples in prop::collection::vec(sample(), 1..6), end in prop::sample::select(&["\n", "\r\n", "\n\n"][..])) {
        let lines: Vec<_> = samples.iter().map(|(sample, word)| line(sample, word)).collect();
        let found = told(lines.join(end).as_bytes());
        let expected: Vec<_> = samples.into_iter().map(|(sample, _)| sample).collect();
        prop_assert_eq!(&found.samples, &expected, "{:?}", lines);
        prop_assert_eq!(found.others, 0);
    }

    /// The short way through a line and the long one, which an ignored section forces, say the same.
    #[test]
    fn an_unknown_section_changes_nothing(
        name in "[a-z.!$]{1,4}",
        value in prop::sample::select(&["1", "-2.5", "+3", "1e5", "x", "", "1:2", "nan"][..]),
        kind in prop::sample::select(&["c", "ms", "g", "s", "h", "d", "m", "q", ""][..]),
        more in pieces(&["|@0.5", "|@2", "|#t:1", "|#t", "|@0.1|#a:b"]),
    ) {
        let line = [format!("{name}:{value}|{kind}").as_bytes(), &more].concat();
        prop_assume!(!line.contains(&b'\n') && !line.ends_with(b"|"));
        // A colon behind the last section would begin another value of the same name.
        prop_assume!(line.iter().rposition(|byte| *byte == b':').is_some_and(|colon| line[colon..].contains(&b'|')));
        prop_assert_eq!(told(&line).samples, told(&[&line[..], b"|x"].concat()).samples);
    }

    #[test]
    fn a_series_has_one_identity(name in "\\PC{1,30}", tags in "\\PC{0,30}") {
        let Ok((name, tags)) = statsd::canonical(name.as_bytes(), tags.as_bytes()) else { return Ok(()) };
        prop_assert_eq!(statsd::canonical(name.as_bytes(), b"").map(|(name, _)| name), Ok(name.clone()));
        prop_assert!(tags.is_sorted_by(|a, b| a.0 < b.0), "{:?}", tags);
        for (key, value) in &tags {
            prop_assert!(!key.is_empty() && !key.contains([';', '!', '^', '=']), "{:?}", tags);
            prop_assert!(!value.is_empty() && !value.contains(';') && !value.starts_with('~'), "{:?}", tags);
            prop_assert!(!key.contains(char::is_whitespace) && !value.contains(char::is_whitespace), "{:?}", tags);
        }
        let again: Vec<_> = tags.iter().map(|(key, value)| format!(";{key}={value}")).collect();
        prop_assert_eq!(statsd::canonical(format!("{name}{}", again.concat()).as_bytes(), b""), Ok((name, tags)));
    }

    #[test]
    fn fields_of_any_shape_are_kept(fields in any_json(), spaces in any::<bool>()) {
        let text = if spaces { serde_json::to_string_pretty(&fields) } else { serde_json::to_string(&fields) }.unwrap();
        let text = format!("{{\"type\":\"t\",\"fields\":{text}\n}}");
        let whole: Vec<&[u8]> = objects(text.as_bytes()).collect();
        prop_assert_eq!(&whole, &[text.as_bytes()]);
        let mut rows = Rows::default();
        let row = Decoder::default().decode(text.as_bytes(), &mut rows);
        let found = row.map(|row| row.to_message(0).fields);
        let mut expected = Vec::new();
        match &fields {
            Json::Null => (),
            Json::Object(members) => {
                for (key, value) in members {
                    flat(value, key.clone(), &mut expected);
                }
            }
            Json::Array(items) if items.is_empty() => (),
            other => flat(other, "fields".to_owned(), &mut expected),
        }
        prop_assert_eq!(found, Ok(expected));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        told(&bytes);
        let mut rows = Rows::default();
        for object in objects(&bytes) {
            let _ = Decoder::default().decode(object, &mut rows);
        }
    }

    #[test]
    fn nearly_right_lines_make_no_panic(bytes in pieces(&["a", ":", "|", "\n", "\r", "c", "ms", "_e{", "1,1", "}:", "_sc|", "@", "#", "d:", "m:", "1", ".5", "-", ",", ";", "="])) {
        told(&bytes);
    }

    #[test]
    fn nearly_right_objects_make_no_panic(bytes in pieces(&["{", "}", "[", "]", ",", ":", "\"", "\\ud83d", "\\", "\"type\":\"t\"", "\"fields\":", "\"timestamp\":\"2012-07-18T21:13:25\"", "null", "1.5", "-", "\n", "\"a\"", "\"payload\":", "\"type\":\"counter\""])) {
        let mut decoder = Decoder::default();
        let mut rows = Rows::default();
        for object in objects(&bytes) {
            if let Ok(row) = decoder.decode(object, &mut rows) {
                let _ = statistic(&row);
                row.commit(1);
            }
        }
        prop_assert!(rows.finish().is_ok());
    }
}
