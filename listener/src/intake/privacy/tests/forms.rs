//! Every form that a field, a token or a payload was found to come in, each with a rule about it: the secret is in no byte
//! of what goes on to the journal, and what is refused is counted.
use super::*;
use metlog_schemas::format::{Entry, Redacted, metlog_json, statsd};
use metlog_schemas::wire::v1::Encoder;
use serde_json::json;

const SECRET: &str = "hunter2";
/// What stands beside it, and must stay.
const KEPT: &str = "bystander";

/// What must become of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// It is journaled without the secret.
    Clean,
    /// It cannot be looked through.
    Refused,
}
use Becomes::{Clean, Refused};

const METLOG: u8 = metlog_json::RECORD_CODE;
const STATSD: u8 = 3;

fn check_left(what: &str, left: &Redacted, becomes: Becomes) {
    let journaled: Vec<&[u8]> =
        left.datagram.iter().map(Vec::as_slice).chain(left.moved.iter().map(|(_, moved)| moved.as_slice())).collect();
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let shown =
        journaled.iter().map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(300)])).collect::<Vec<_>>();
    assert!(!journaled.iter().any(|bytes| holds(bytes, SECRET)), "{what}: {shown:?}");
    match becomes {
        Clean => {
            assert_eq!(left.rejected, [], "{what}");
            assert!(journaled.iter().any(|bytes| holds(bytes, KEPT)), "{what}: {shown:?}");
        }
        Refused => assert_eq!(left.rejected, [(UNREADABLE, 1)], "{what}"),
    }
}

/// Under each of the three actions. What is left must be accepted when it is read back.
fn check(target: &Target, code: u8, datagram: &str, becomes: Becomes) {
    for action in [Action::Drop, Action::Hash(b"k".to_vec()), Action::Mask("*,|:;\n*".into())] {
        let rules = Rules::new(vec![rule(target.clone(), action.clone())]);
        let shown: String = datagram.chars().take(300).collect();
        let what = format!("{target:?} {action:?} {shown}");
        let left = format::redact(code, datagram.as_bytes(), &rules);
        check_left(&what, &left, becomes);
        let again = left.datagram.map(|kept| (code, kept)).into_iter().chain(left.moved);
        for (code, kept) in again {
            assert_eq!(crate::intake::admission::worthless(code, &kept), None, "{what}");
        }
    }
}

fn fields(rule: &str, members: &str) {
    check(&Target::Fields(pattern(rule)), METLOG, &json_of(members), Clean);
}

fn json_of(members: &str) -> String {
    format!(r#"{{"type":"t","payload":"bystander",{members}}}"#)
}

fn deep(levels: usize, inner: &str) -> String {
    format!("{}{inner}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[test]
fn fields_of_metlog_json() {
    for (rule, members) in [
        ("email", r#""fields":{"email":"hunter2"}"#),
        ("email", r#""fields":{"email":"hunter2","email":"hunter2"}"#),
        ("email", r#""email":"hunter2","fields":{"email":"hunter2"}"#),
        ("email", r#""fields":{"email":"hunter2"},"fields":{"email":"hunter2"}"#),
        ("email", r#""fields":{"email":["hunter2","hunter2"]}"#),
        ("email", r#""fields":{"email":[["hunter2"]]}"#),
        ("email", r#""fields":{"email":["a"],"email":["hunter2"]}"#),
        ("email", r#""fields":{"email":{"addr":"hunter2"}}"#),
        ("email", r#""fields":{"email":[{"x":"hunter2"}]}"#),
        ("email", r#""fields":{"email":{"a":{"b":{"c":"hunter2"}}}}"#),
        ("email", r#""fields":{"email":{"addr":1},"email":{"addr":"hunter2"}}"#),
        ("email", r#""fields":{"email.addr":"hunter2"}"#),
        ("email", r#""fields":{"email[0]":"hunter2"}"#),
        ("email", r#""email":"hunter2""#),
        ("email", r#""email":["hunter2"]"#),
        ("email", r#""email":{"x":"hunter2"}"#),
        ("email", r#""fields":{"em\u0061il":"hunter2"}"#),
        ("email", r#""fields":{"email":"\u0068unter2"}"#),
        ("email", r#""fields":{" email ":"hunter2"}"#),
        ("email", r#""fields":{"email\u0000":"hunter2"}"#),
        ("email", r#""fields":[{"email":"hunter2"}]"#),
        ("email", r#""fields":[[{"email":"hunter2"}]]"#),
        ("email", r#""fields":{"fields":{"email":"hunter2"}}"#),
        ("email", r#""fields":{"tag.email":"hunter2"}"#),
        ("email", r#""fields":{"email":{"":"hunter2"}}"#),
        ("email", r#""fields":{"email#2":"hunter2"}"#),
        ("email|user", r#""fields":{"user":"hunter2"}"#),
        ("e|email", r#""fields":{"email":"hunter2"}"#),
        ("^email$", r#""fields":{"email":["hunter2"]}"#),
        ("(?i)email", r#""fields":{"EMail":"hunter2"}"#),
        ("(?i)email", r#""fields":{"EMAIL":{"x":"hunter2"}}"#),
        (".*email", r#""fields":{"a":{"email":{"x":"hunter2"}}}"#),
        (".*email", r#""fields":{"a\nb":{"email":"hunter2"}}"#),
        ("fields", r#""fields":"hunter2""#),
        ("fields", r#""fields":["hunter2"]"#),
        (r"headers\.cookie", r#""fields":{"headers":{"cookie":"hunter2"}}"#),
        (r"headers\.cookie", r#""fields":{"headers":{"cookie":["hunter2"]}}"#),
        (r"headers\.cookie", r#""fields":{"headers":[{"cookie":"hunter2"}]}"#),
        (r"headers\.cookie", r#""fields":{"headers.cookie":"hunter2"}"#),
        (r"headers\.cookie", r#""fields":{"headers":"{\"cookie\":\"hunter2\"}"}"#),
        ("email", r#""fields":{"data":"{\"email\":\"hunter2\"}"}"#),
        ("email", r#""fields":{"data":" [{\"email\":[\"hunter2\"]}]"}"#),
        ("email", r#""fields":{"data":"{\"em\\u0061il\":\"hunter2\",\"n\":NaN}"}"#),
        ("email", r#""fields":{"email":12,"email":"hunter2"}"#),
    ] {
        fields(rule, members);
    }
}

/// Below a long path or many levels fields stay JSON text.
#[test]
fn fields_that_stay_text() {
    let long = "k".repeat(129);
    for members in [
        format!(r#""fields":{{"{long}":{{"email":"hunter2"}}}}"#),
        format!(r#""fields":{{"{long}":[{{"a":{{"email":"hunter2"}}}}]}}"#),
        format!(r#""fields":{{"{long}":{{"em\u0061il":"\u0068unter2","email":"hunter2"}}}}"#),
        format!(r#""fields":{{"{long}":{{"email":{{"a":["hunter2"]}}}}}}"#),
        format!(r#""fields":{{"x":{}}}"#, deep(63, r#"{"email":"hunter2"}"#)),
        format!(r#""fields":{{"x":{}}}"#, deep(100, r#"{"email":["hunter2"]}"#)),
        format!(r#""{long}":{{"email":"hunter2"}}"#),
        format!(r#""fields":{{"list":[{}{{"email":"hunter2"}}]}}"#, "0,".repeat(12_000)),
        format!(r#""fields":{{{}"email":"hunter2"}}"#, r#""n":1,"#.repeat(metlog_json::FIELDS_MAX)),
        format!(r#""fields":{{{}"a":{{"email":"hunter2"}}}}"#, r#""n":1,"#.repeat(metlog_json::FIELDS_MAX)),
    ] {
        fields("email", &members);
        fields(r"(.*\.)?email", &members);
    }
    let cookie = r#"{"headers":{"cookie":"hunter2"}}"#;
    fields(
        r"headers\.cookie",
        &format!(r#""fields":{{{}{}"#, r#""n":1,"#.repeat(metlog_json::FIELDS_MAX), &cookie[1..]),
    );
    fields(&format!(r"{long}\.headers\.cookie"), &format!(r#""fields":{{"{long}":{cookie}}}"#));
    fields(r"headers\.cookie", &format!(r#""fields":{{"{long}":{cookie}}}"#));
}

#[test]
fn what_cannot_be_looked_through_is_refused() {
    let target = Target::Fields(pattern("email"));
    for members in [
        format!(r#""fields":{{"x":{}}}"#, deep(300, r#"{"email":"hunter2"}"#)),
        format!(r#""fields":{{"x":{}"hunter2"{}}}"#, "[".repeat(10_000), "]".repeat(10_000)),
        format!(r#""fields":{{"{}":{{"a":{{"email":"hunter2"}}}}}}"#, "k".repeat(5_000)),
    ] {
        check(&target, METLOG, &json_of(&members), Refused);
    }
    let payload = format!(r#"{{"type":"t","payload":{}}}"#, deep(300, r#""\u0068unter2""#));
    check(&Target::Payload(pattern("hunter2")), METLOG, &payload, Refused);
    for line in [
        "hits,email=hunter2,flag:1|c",
        "hits#email=hunter2,flag:1|c",
        "hits;zone=b,email=hunter2:1|c",
        "hits;zone=b#email=hunter2:1|c",
        "hits,zone=b;email=hunter2:1|c",
        "hits:1|c|#zone:b;email=hunter2",
        "hits:1|c|#zone:b;email:hunter2",
    ] {
        check(&target, STATSD, line, Refused);
    }
}

#[test]
fn tags_of_statsd() {
    for (rule, line) in [
        ("email", "bystander;email=hunter2:1|c"),
        ("email", "bystander,email=hunter2:1|c"),
        ("email", "bystander#email=hunter2:1|c"),
        ("email", "bystander:1|c|#email:hunter2"),
        ("email", "bystander:1|c|#email=hunter2"),
        ("email", "bystander:1|c|#email:hunter2,email:hunter2b,email:a"),
        ("email", "bystander;email=hunter2;email=hunter2b:1|c|#email:hunter2c"),
        ("email", "bystander:1|c|#a:b, email : hunter2"),
        ("email", "bystander:1|c|#em\u{1}ail:hunter2"),
        ("email", "bystander:1|c|@0.5|#email:hunter2|c:hunter2|T1656581400"),
        ("email", "bystander:1|c|#a:b|#email:hunter2"),
        ("email", "bystander:1:2:3|ms|#email:hunter2"),
        ("email", "bystander:1|c:2|g|#email:hunter2"),
        ("email", "bystander:a|s|#email:hunter2"),
        ("email", "bystander:-1|g|#email:hunter2"),
        ("email", "bystander:1|c|#email[0]:hunter2,email.addr:hunter2"),
        ("email", "bystander:1|c|#tag.email:hunter2"),
        (r"tag\.email", "bystander:1|c|#email:hunter2"),
        ("email", "_e{5,9}:title|bystander|#email:hunter2"),
        ("email", "_e{5,9}:title|bystander|#email=hunter2"),
        ("email", "_e{5,9}:title|bystander|#a:b, email:hunter2,email:hunter2b"),
        (r"tag\.email", "_e{5,9}:title|bystander|#email:hunter2"),
        ("email", "_e{5,9}:title|bystander|#email.addr:hunter2"),
        ("aggregation_key", "_e{5,9}:title|bystander|k:hunter2"),
        ("title", "_e{7,9}:hunter2|bystander"),
        ("email", "_sc|bystander|0|#email:hunter2|m:ok"),
        ("email", "_sc|bystander|0|#email=hunter2,email:hunter2b"),
        ("name", "_sc|hunter2|0|m:bystander"),
    ] {
        check(&Target::Fields(pattern(rule)), STATSD, line, Clean);
    }
}

#[test]
fn counters_and_timers_of_metlog_json() {
    for members in [
        r#""fields":{"name":"bystander","email":"hunter2"}"#,
        r#""fields":{"name":"bystander","email":"hunter2","email":"hunter2"}"#,
        r#""name":"other","email":"hunter2","fields":{"name":"bystander","rate":0.5,"email":["hunter2"]}"#,
    ] {
        for r#type in ["counter", "timer"] {
            let text = format!(r#"{{"type":"{type}","payload":"1",{members}}}"#);
            check(&Target::Fields(pattern("email")), METLOG, &text, Clean);
        }
    }
}

#[test]
fn tokens_and_payloads() {
    for (rule, tokens) in [
        ("session-.*", r#"["session-hunter2"]"#),
        ("session-.*", r#"["session-\nhunter2"]"#),
        ("session-.*", r#"["session-\r\nhunter2","session-\u2028hunter2"]"#),
        ("^session-.*$", r#"["session-a\nhunter2\n"]"#),
        ("s|session-.*", r#"["session-hunter2"]"#),
        ("(?m)^session-.*$", r#"["session-a\nhunter2"]"#),
        ("session-.*", r#""session-hunter2""#),
        (r#".*hunter2.*"#, r#"[["\u0068unter2"]]"#),
        (r#".*hunter2.*"#, r#"[{"a":"\u0068unter2"}]"#),
    ] {
        check(&Target::Tokens(pattern(rule)), METLOG, &json_of(&format!(r#""tokens":{tokens}"#)), Clean);
    }
    for payload in [
        r#""a hunter2 b hunter2""#,
        r#""\u0068unter2""#,
        r#""a\nhunter2""#,
        r#"{"a":"hunter2"}"#,
        r#"{"a":"\u0068unter2"}"#,
        r#"["hunt\u0065r2"]"#,
    ] {
        let text = format!(r#"{{"type":"bystander","payload":{payload}}}"#);
        check(&Target::Payload(pattern("hunter2")), METLOG, &text, Clean);
    }
    check(&Target::Payload(pattern("hunter2")), STATSD, "_e{9,7}:bystander|hunter2", Clean);
    check(&Target::Payload(pattern("hunter2")), STATSD, "_sc|bystander|0|m:hunter2", Clean);
}

#[test]
fn fields_of_the_wire() {
    let rules = Rules::new(vec![rule(Target::Fields(pattern("email")), Action::Drop)]);
    for sent in [
        &[("email", "hunter2")][..],
        &[("email", "hunter2"), ("email", "hunter2")],
        &[("email[0]", "hunter2"), ("email.addr", "hunter2"), ("tag.email", "hunter2")],
        &[("data", r#"{"email":"hunter2"}"#)],
    ] {
        let mut encoder = Encoder::new(1_432, 9, 1, "h", "l", None);
        let draft = Draft { timestamp: 1, r#type: "t", payload: KEPT, ..Draft::default() };
        encoder.push(5, &draft, [].into_iter(), sent.iter().copied()).unwrap();
        check_left(&format!("{sent:?}"), &format::redact(METLOG, encoder.finish(0, 0), &rules), Clean);
    }
}

/// What a rule is not about stays as it is.
#[test]
fn other_fields_stay() {
    let rules = Rules::new(vec![rule(Target::Fields(pattern("email")), Action::Drop)]);
    let members = r#""metlog_hostname":"email","fields":{"emails":"a","my.email":"b","my_email":"c","data":"{\"a\":\"email\", \"b\":1}","EMAIL":"d","deep":{"x":[1]}}"#;
    let left = format::redact(METLOG, json_of(members).as_bytes(), &rules);
    let kept: serde_json::Value = serde_json::from_slice(&left.datagram.unwrap()).unwrap();
    let expected = json!({
        "emails": "a", "my.email": "b", "my_email": "c", "data": r#"{"a":"email", "b":1}"#, "EMAIL": "d", "deep.x[0]": "1",
    });
    assert_eq!((&kept["fields"], &kept["metlog_hostname"]), (&expected, &json!("email")));
    let lines = "a;b=c,d:1|c\na:1|c|#url:http://x/?email=b\nnumber,of#email:1|c\na:x,email=b|s";
    let left = format::redact(STATSD, lines.as_bytes(), &rules);
    assert_eq!(left.rejected, []);
}

/// Values mean the same when they are written again: the sign of a gauge, and tags in every spelling.
#[test]
fn lines_that_are_written_again_mean_the_same() {
    let rules = Rules::new(vec![rule(Target::Fields(pattern("email")), Action::Drop)]);
    for lines in [
        "g:-5|g",
        "g:+5|g",
        "g:5|g",
        "g: -5|g",
        "g:-5|g|#a:b",
        "g:-5|g|#",
        "g;a=b:-5|g",
        "g;a=b:-5|g|T1",
        "g:-5|g|c:x",
        "c;a=b,d;e=f|g:1|c|#h:i:j,k",
        "c,a=b:1|c|@0.25",
        "c#a=b,c=d:1|h",
        "t:1.5:-2|d|#a:x,a:y",
        "s:fe80::1|s|#a",
        "s;a=#b:x,y|s",
        "a|b:1|c",
        "a b/c:1e3|c",
    ] {
        let left = format::redact(STATSD, lines.as_bytes(), &rules);
        let again = left.datagram.unwrap();
        for deltas in [statsd::GaugeDeltas::Etsy, statsd::GaugeDeltas::Auto] {
            assert_eq!(played(&again, deltas), played(lines.as_bytes(), deltas), "{}", String::from_utf8_lossy(&again));
        }
    }
}

/// What a listener makes of lines.
fn played(lines: &[u8], deltas: statsd::GaugeDeltas) -> Vec<String> {
    #[derive(Default)]
    struct Played(Vec<String>);
    impl metlog_schemas::format::InOrder for Played {
        fn sender(&mut self, _: &metlog_schemas::wire::v1::Header<'_>, _: i64) -> metlog_schemas::format::Verdict {
            metlog_schemas::format::Verdict::New
        }
        fn heartbeat(
            &mut self,
            _: &metlog_schemas::wire::v1::Header<'_>,
            _: &metlog_schemas::wire::v1::Heartbeat,
            _: i64,
        ) {
        }
        fn add(&mut self, sample: &statsd::Sample<'_>) -> Result<(), &'static str> {
            let identity = statsd::canonical(sample.name, sample.tags);
            self.0.push(format!("{identity:?} {:?} {:?} {}", sample.kind, sample.value, sample.rate));
            Ok(())
        }
        fn packet(&mut self, _: u64) {}
        fn bad_line(&mut self) {
            self.0.push("bad".into());
        }
    }
    let (mut scratch, mut played) = (format::Scratch::default(), Played::default());
    scratch.options.gauge_deltas = deltas;
    let at = Entry { index: 0, received_at: 0 };
    format::enter(STATSD, lines, at, &mut scratch, &mut played, &mut format::Decoded::default());
    played.0
}
