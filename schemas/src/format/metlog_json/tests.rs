//! Metlog JSON: every shape arrives, nothing is lost, and what is no message says why.
use super::*;
use metlog_wire::{Message, Severity};

fn decode(text: &str) -> Result<Message, Refusal> {
    Decoder::default().decode(text.as_bytes(), &mut MessageRows::default()).map(|row| row.to_message(7))
}

/// The fields of a message whose object holds `members` besides its type.
fn check_fields(members: &str, expected: &[(&str, &str)]) {
    let message = decode(&format!(r#"{{"type":"t",{members}}}"#)).unwrap();
    let found: Vec<_> = message.fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, expected, "{members}");
}

fn check_refused(text: &str, expected: Refusal) {
    assert_eq!(decode(text), Err(expected), "{text}");
}

const REAL: &str = r#"{"severity":6,"timestamp":"2012-07-18T21:13:25.687518","metlog_hostname":"aitc1.web","fields":{"headers":{"path":"/1.0/11224/apps/","host":"dev-aitc5:443","User-Agent":""},"threadlocal":{}},"metlog_pid":26482,"logger":"","type":"wsgi","payload":"","env_version":"0.8"}"#;

#[test]
fn a_real_message_arrives_whole() {
    let fields = [
        ("headers.path", "/1.0/11224/apps/"),
        ("headers.host", "dev-aitc5:443"),
        ("headers.User-Agent", ""),
        ("threadlocal", "{}"),
    ];
    let expected = Message {
        timestamp: 1_342_646_005_687_518,
        r#type: "wsgi".into(),
        hostname: "aitc1.web".into(),
        pid: 26_482,
        fields: fields.map(|(key, value)| (key.into(), value.into())).into(),
        env_version: "0.8".into(),
        ..Message::default()
    };
    assert_eq!(decode(REAL), Ok(expected));
}

#[test]
fn columns_take_what_clients_write() {
    let message = decode(
        r#" { "type" : "t", "type":"u", "timestamp":null, "logger":"l\u00e9\n", "severity":"3", "metlog_pid":"-4",
        "metlog_hostname":"h", "env_version":0.8, "payload":1.50, "tokens":["a", "", 3, {"b": [1]}] } "#,
    );
    let expected = Message {
        timestamp: 7,
        r#type: "u".into(),
        logger: "lé\n".into(),
        severity: Severity::ERROR,
        hostname: "h".into(),
        pid: -4,
        tokens: ["a", "", "3", r#"{"b": [1]}"#].map(str::to_owned).into(),
        payload: "1.50".into(),
        env_version: "0.8".into(),
        ..Message::default()
    };
    assert_eq!(message, Ok(expected));
    for (payload, expected) in [
        ("null", ""),
        ("true", "true"),
        ("-0", "-0"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1E5", "1E5"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        (r#"{"a": [1, "x"]}"#, r#"{"a": [1, "x"]}"#),
        ("[]", "[]"),
        (r#""\ud83d\ude00""#, "😀"),
        (r#""cut \ud83d""#, "cut \u{fffd}"),
    ] {
        let message = decode(&format!(r#"{{"type":"t","payload":{payload}}}"#)).unwrap();
        assert_eq!(message.payload, expected, "{payload}");
    }
    assert_eq!(decode(r#"{"type":"t","tokens":"one"}"#).unwrap().tokens, ["one"]);
    assert_eq!(decode(r#"{"type":"t","tokens":null,"pid":null,"severity":null}"#).unwrap().severity.number(), 6);
}

#[test]
fn fields_of_any_shape_become_flat() {
    check_fields(
        r#""fields":{"a":1,"b":{"c":{"d":"x"}},"e":[true,null,{"f":1.0},[2,[3]]]}"#,
        &[
            ("a", "1"),
            ("b.c.d", "x"),
            ("e[0]", "true"),
            ("e[1]", "null"),
            ("e[2].f", "1.0"),
            ("e[3][0]", "2"),
            ("e[3][1][0]", "3"),
        ],
    );
    check_fields(
        r#""fields":{"":{"":1},"a":{"":2},"b.c":3,"b":{"c":4}}"#,
        &[(".", "1"), ("a.", "2"), ("b.c", "3"), ("b.c#2", "4")],
    );
    check_fields(r#""fields":{"a":{},"b":[],"a":1e400}"#, &[("a", "{}"), ("b", "[]"), ("a#2", "1e400")]);
    check_fields(r#""fields":{},"fields":[],"fields":null"#, &[]);
    check_fields(r#""fields":"x""#, &[("fields", "x")]);
    check_fields(r#""fields":-1"#, &[("fields", "-1")]);
    check_fields(r#""fields":[{"a":1},[2]]"#, &[("fields[0].a", "1"), ("fields[1][0]", "2")]);
    check_fields(
        r#""new":{"key":[1]},"fields":{"a":1},"other":null"#,
        &[("new.key[0]", "1"), ("a", "1"), ("other", "null")],
    );
    let list = (0..12).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let message = decode(&format!(r#"{{"type":"t","fields":{{"l":[{list}]}}}}"#)).unwrap();
    assert_eq!(message.fields[11], ("l[11]".to_owned(), "11".to_owned()));
}

#[test]
fn depth_costs_neither_the_stack_nor_the_message() {
    for levels in [DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1, 200, 30_000] {
        let arrays = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let message = decode(&format!(r#"{{"type":"t","fields":{{"a":{arrays}}}}}"#)).unwrap();
        // A path that is too long ends it first.
        let flat = levels.min(PATH_BYTES_MAX / 3 + 1);
        assert_eq!(message.fields[0].0, format!("a{}", "[0]".repeat(flat)));
        let rest = levels - flat;
        assert_eq!(message.fields[0].1, format!("{}1{}", "[".repeat(rest), "]".repeat(rest)));
        let objects = format!("{}[]{}", r#"{"k": "#.repeat(levels), "}".repeat(levels));
        let message = decode(&format!(r#"{{"type":"t","payload":{objects},"x":{objects}}}"#)).unwrap();
        assert_eq!(message.payload, objects);
        assert_eq!(message.fields[0].0, format!("x{}", ".k".repeat(levels.min(DEPTH_MAX - 1))));
    }
    check_refused(&format!(r#"{{"type":"t","fields":{}"#, "[".repeat(60_000)), Refusal::NotJson);
    check_refused(&format!(r#"{{"type":"t","fields":{}1,]"#, "[".repeat(100)), Refusal::NotJson);
    check_refused(&"[".repeat(60_000), Refusal::NotAnObject);
    check_refused(&r#"{"a":"#.repeat(60_000), Refusal::NotJson);
}

#[test]
fn a_long_key_is_not_repeated() {
    let (key, short) = ("k".repeat(PATH_BYTES_MAX + 1), "k".repeat(PATH_BYTES_MAX));
    let message = decode(&format!(r#"{{"type":"t","fields":{{"{key}":[1,[2]],"{short}":[3]}}}}"#)).unwrap();
    assert_eq!(message.fields, [(key, "[1,[2]]".to_owned()), (format!("{short}[0]"), "3".to_owned())]);
}

#[test]
fn white_space_is_passed_over_once() {
    // Quadratic work would take minutes here.
    let spread = format!("{{{}\"type\":\"t\"}}", "\n".repeat(4_000_000));
    assert_eq!(objects(spread.as_bytes()).count(), 1);
}

#[test]
fn what_is_no_message_says_why() {
    check_refused("", Refusal::Empty);
    check_refused(" \r\n", Refusal::Empty);
    check_refused("{", Refusal::NotJson);
    check_refused("nonsense", Refusal::NotAnObject);
    check_refused("hello", Refusal::NotJson);
    check_refused("[1]", Refusal::NotAnObject);
    check_refused(r#"{"type":"t"} x"#, Refusal::NotJson);
    check_refused(r#"{"type":"t"}{"type":"t"}"#, Refusal::NotJson);
    check_refused(r#"{"type":"t",}"#, Refusal::NotJson);
    check_refused(r#"{"type":"t","a":01}"#, Refusal::NotJson);
    check_refused("{\"type\":\"a\nb\"}", Refusal::NotJson);
    check_refused("{}", Refusal::NoType);
    check_refused(r#"{"type":null,"payload":"p"}"#, Refusal::NoType);
    check_refused(r#"{"type":"t","type":null}"#, Refusal::NoType);
    check_refused(r#"{"type": 3}"#, Refusal::BadType);
    check_refused(r#"{"type":"x","timestamp":"not a time"}"#, Refusal::BadTimestamp);
    check_refused(r#"{"type":"x","timestamp":1342646005}"#, Refusal::BadTimestamp);
    check_refused(r#"{"type":"x","timestamp":"1912-01-01T00:00:00Z"}"#, Refusal::TimestampOutOfRange);
    for severity in ["8", "-1", "6.0", "06", r#""""#, r#""six""#, "true", "[6]"] {
        let expected = if severity == "06" { Refusal::NotJson } else { Refusal::BadSeverity };
        check_refused(&format!(r#"{{"type":"t","severity":{severity}}}"#), expected);
    }
    for pid in ["1.5", "1e3", r#""x""#, "99999999999999999999", "false"] {
        check_refused(&format!(r#"{{"type":"t","metlog_pid":{pid}}}"#), Refusal::BadPid);
    }
    check_refused(r#"{"type":"t","logger":1}"#, Refusal::BadLogger);
    check_refused(r#"{"type":"t","metlog_hostname":{}}"#, Refusal::BadHostname);
    check_refused(r#"{"type":"t","env_version":[]}"#, Refusal::BadEnvVersion);
    let not_utf8 = Decoder::default().decode(b"{\"type\":\"\xff\"}", &mut MessageRows::default()).map(|_| ());
    assert_eq!(not_utf8, Err(Refusal::NotUtf8));
}

#[test]
fn a_refused_message_leaves_nothing_in_the_rows_or_the_decoder() {
    let mut decoder = Decoder::default();
    let mut rows = MessageRows::default();
    decoder.decode(br#"{"type":"a","fields":{"k":"v"}}"#, &mut rows).unwrap().commit(1);
    let refused = br#"{"type":"b","tokens":["lost"],"fields":{"a":{"b":[{"c":"\n"#;
    assert!(decoder.decode(refused, &mut rows).is_err());
    let row = decoder.decode(br#"{"type":"c","fields":{"k":"w"}}"#, &mut rows).unwrap();
    let message = row.to_message(1);
    assert_eq!(message.fields, [("k".to_owned(), "w".to_owned())]);
    assert!(message.tokens.is_empty());
    row.commit(1);
    let batch = rows.finish().unwrap();
    assert_eq!(batch.num_rows(), 2);
}

#[test]
fn objects_are_divided_by_line_ends_between_them() {
    let check = |datagram: &str, expected: &[&str]| {
        let found: Vec<_> = objects(datagram.as_bytes()).map(|o| std::str::from_utf8(o).unwrap()).collect();
        assert_eq!(found, expected, "{datagram:?}");
    };
    check("", &[]);
    check(" \n\r\n ", &[]);
    check("{\"a\":1}", &["{\"a\":1}"]);
    check("{\"a\":1}\n", &["{\"a\":1}"]);
    check("\n{1}\r\n\n \n{2}\n{3}", &["{1}", "{2}", "{3}"]);
    check("{1}\nnonsense\n{2}", &["{1}", "nonsense", "{2}"]);
    let spread = "{\n  \"a\": [\n    1\n    ,\n    {\n    }\n  ],\n  \"b\":\n2\n}";
    check(&format!("{spread}\n{{1}}\n{spread}"), &[spread, "{1}", spread]);
    assert!(is_json(b" \n{") && !is_json(b"[{") && !is_json(b""));
}
