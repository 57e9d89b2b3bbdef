//! statsd lines as clients send them, good and bad, in one notation.
use super::*;

/// Writes down what it is told, in a notation that tests can compare.
#[derive(Default)]
struct Told(Vec<String>);

impl Lines for Told {
    fn sample(&mut self, sample: Sample<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let kind = ["c", "g", "t", "s"][sample.kind as usize];
        let value = match sample.value {
            Value::Number(number) => format!("{number}"),
            Value::Delta(number) => format!("{number:+}"),
            Value::Member(member) => format!("'{}'", text(member)),
        };
        let rate = if sample.rate == 1.0 { String::new() } else { format!("@{}", sample.rate) };
        let tags = if sample.tags.is_empty() { String::new() } else { format!("#{}", text(sample.tags)) };
        self.0.push(format!("{} {kind} {value}{rate}{tags}", text(sample.name)));
    }
    fn message(&mut self, message: &Annotation<'_>) {
        self.0.push(match message {
            Annotation::Event(event) => format!("event {}", event.title),
            Annotation::Check(check) => format!("check {} {}", check.name, check.status),
        });
    }
    fn bad(&mut self, line: &[u8], reason: Reason) {
        assert!(!line.is_empty() && !line.contains(&b'\n'));
        self.0.push(reason.reason().to_owned());
    }
}

fn check(datagram: &str, expected: &[&str]) {
    let mut told = Told::default();
    parse(datagram.as_bytes(), &mut told);
    assert_eq!(told.0, expected, "{datagram:?}");
    // Nothing may depend on the short way through: an ignored section forces the long one.
    if !datagram.contains('\n') && !datagram.is_empty() {
        let mut told = Told::default();
        parse(format!("{datagram}\r\n\n{datagram}").as_bytes(), &mut told);
        assert_eq!(told.0, [expected, expected].concat(), "{datagram:?} twice");
    }
}

/// Scenario: lines that etsy's server accepts, its own tests and manual among them.
/// Guarantees: they mean the same here.
#[test]
fn what_etsy_accepts() {
    check("gorets:1|c", &["gorets c 1"]);
    check("gorets:1|c|@0.1", &["gorets c 1@0.1"]);
    check("glork:320|ms|@0.1", &["glork t 320@0.1"]);
    check("gaugor:333|g", &["gaugor g 333"]);
    check("gaugor:-10|g", &["gaugor g -10"]);
    check("gaugor:+4|g", &["gaugor g +4"]);
    check("gaugor:-0|g", &["gaugor g -0"]);
    check("gaugor: -4|g", &["gaugor g -4"]);
    check("uniques:765|s", &["uniques s '765'"]);
    check("uniques:|s", &["uniques s '0'"]);
    check(
        "gorets:1|c\nglork:320|ms\n\ngaugor:333|g\nuniques:765|s\n",
        &["gorets c 1", "glork t 320", "gaugor g 333", "uniques s '765'"],
    );
    check("key:1|c:2|c", &["key c 1", "key c 2"]);
    check(
        "key:1|c|@0.5:2|ms:+3|g:x|s|#t:1,u",
        &["key c 1@0.5#t:1,u", "key t 2#t:1,u", "key g +3#t:1,u", "key s 'x'#t:1,u"],
    );
    check("a b/c:+10e1|c", &["a b/c c 100"]);
    check("a|b:1|c", &["a|b c 1"]);
    check("a:1| ms ", &["a t 1"]);
    check("a:-0.0|ms", &["a t -0"]);
    check("a:345345|ms|@2", &["a t 345345@2"]);
    check("a:345345|ms|@.2", &["a t 345345@0.2"]);
    check("a:345345|ms|@2e-1", &["a t 345345@0.2"]);
    check("a:1.0|c|@0.1", &["a c 1@0.1"]);
    check("_a:1|c", &["_a c 1"]);
}

#[test]
fn what_etsy_refuses() {
    check("nonsense", &["no_value"]);
    check("a|#b:1|c", &["no_value"]);
    check("a:", &["no_type"]);
    check("a:1", &["no_type"]);
    check("a:1|", &["no_type"]);
    check("a:1|#t", &["no_type"]);
    check("a:|c", &["no_value"]);
    check("a: |c", &["bad_value"]);
    check("a:b|c", &["bad_value"]);
    check("a:0,345345|ms", &["bad_value"]);
    check("a:-1|ms", &["bad_value"]);
    check("a:-1.0|ms|@0.5", &["bad_value"]);
    check("a:1|q|", &["bad_rate"]);
    check("a:x|q", &["bad_value"]);
    check("a:nan|g\na:inf|g\na:1e999|c", &["bad_value"; 3]);
    for rate in ["", "@", "@blah", "@.", "@.1.", "@.1.2.3", "@-1.0", "@0", "@x"] {
        check(&format!("a:345345|ms|{rate}"), &["bad_rate"]);
    }
    check(":1|c", &["no_name"]);
    check("ok:1|c\nbad\nok:2|c", &["ok c 1", "no_value", "ok c 2"]);
    check("ok:1|c:x|c:3|c:", &["ok c 1", "bad_value", "ok c 3", "no_type"]);
}

#[test]
fn what_dogstatsd_adds() {
    check("page.views:1:2:32|d", &["page.views t 1", "page.views t 2", "page.views t 32"]);
    check("a:1:2:3|ms|@0.5|#t", &["a t 1@0.5#t", "a t 2@0.5#t", "a t 3@0.5#t"]);
    check("a:1:x:-3|ms", &["a t 1", "bad_value", "bad_value"]);
    check("a:1::+3|g", &["a g 1", "no_value", "a g +3"]);
    check("a:1:2|q", &["a c 1", "a c 2"]);
    check("a:1:2|c|@x", &["bad_rate"; 2]);
    check("a:-1|h\na:-1.5|d", &["a t -1", "a t -1.5"]);
    check("ip:fe80::1|s|#x:y", &["ip s 'fe80::1'#x:y"]);
    check("a:1|c|#t:1|@0.5", &["a c 1@0.5#t:1"]);
    check("a:1|g|T1656581400|#t:1|c:ci-2f4a|e:it-false,cn-nginx|card:low|future", &["a g 1#t:1"]);
    check("a:1|c|#", &["a c 1"]);
    check("a:1|c|#t:1|", &["bad_rate"]);
    check("_e{5,4}:title|text|#t:1", &["event title"]);
    check("_e{1,1}:1|c", &["event 1"]);
    check("_sc|redis|2|m:x", &["check redis 2"]);
    check("_e{9,4}:title|text", &["bad_event"]);
    check("_sc|redis|7", &["bad_service_check"]);
}

#[test]
fn a_container_is_not_a_second_value() {
    check("key:1|c|c:2f4a", &["key c 1"]);
    check("key:1|c|c:2", &["key c 1"]);
    check("key:1|c|@0.5|c:2", &["key c 1@0.5"]);
    check("key:1|c:2|c|c:2f4a", &["key c 1", "key c 2"]);
    check("key:1|c|@0.5:2|c|c:2f4a", &["key c 1@0.5", "key c 2"]);
}

#[test]
fn lines_end_with_either_mark() {
    check("a:1|c\r\nb:2|c|#t\r\n\r\n_sc|n|0\r\nc:3|ms\r", &["a c 1", "b c 2#t", "check n 0", "c t 3"]);
    check("b:1|c\r\na:1|c|#t\r", &["b c 1", "a c 1#t"]);
    check("", &[]);
    check("\n\n", &[]);
}

#[test]
fn bytes_that_are_no_text_pass_or_fail_but_never_panic() {
    let mut told = Told::default();
    parse(b"\xff\xfe:1|c\n\x00\xff\n:\n|\n||\n::\n_e{\n_sc|\xff|0\n@:|#:|@:", &mut told);
    assert_eq!(told.0[0], "\u{fffd}\u{fffd} c 1");
    assert_eq!(canonical(b"\xff\xfe", b""), Err(Reason::NotUtf8));
    assert!(told.0[1..].iter().all(|told| !told.contains(' ')), "{:?}", told.0);
}
