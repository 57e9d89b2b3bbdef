//! What filters find in memory, how they are written, and what is said of wrong ones. `tests/filters.rs` compares them
//! with SQL.
use super::*;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use metlog_schemas::rows::Rows;
use metlog_schemas::wire::{Message, Severity};

fn messages() -> RecordBatch {
    let mut rows = Rows::default();
    for (pid, (r#type, payload)) in
        [("login", "signed in"), ("page", "not found"), ("page", "a=b")].into_iter().enumerate()
    {
        let message = Message {
            r#type: r#type.into(),
            logger: "web".into(),
            severity: Severity::new(4 + pid as u8).unwrap(),
            pid: pid as i64,
            tokens: vec!["one".into(), format!("token{pid}")],
            payload: payload.into(),
            fields: vec![("user.id".into(), pid.to_string()), ("path".into(), "/".into())],
            timestamp: 1_772_600_400_000_000 + pid as i64 * 1_000_000,
            ..Message::default()
        };
        rows.push_message(&message, 0);
    }
    rows.finish().unwrap()
}

fn read(text: &str) -> Filter {
    Filter::parse(Table::Messages, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn pids(filter: &Filter, rows: &RecordBatch) -> Vec<i64> {
    let found = filter.apply(rows).unwrap();
    found.column_by_name("pid").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

#[track_caller]
fn finds(filter: &str, expected: &[i64]) {
    let read = read(filter);
    assert_eq!(pids(&read, &messages()), expected, "{filter}");
    let again = self::read(&read.to_string());
    assert_eq!(pids(&again, &messages()), expected, "{filter}, written as {read}");
}

/// The words of 0.1: terms side by side, quotes around whole terms, text without a column.
#[test]
fn words_side_by_side_must_all_match() {
    finds("", &[0, 1, 2]);
    finds("type=login", &[0]);
    finds("type!=login", &[1, 2]);
    finds("logger=web type~^p", &[1, 2]);
    finds("severity<=4", &[0]);
    finds("severity<=warn", &[0]);
    finds("severity>WARNING severity<info", &[1]);
    finds("severity>4 pid<2", &[1]);
    finds("severity!=5", &[0, 2]);
    finds("token=token1", &[1]);
    finds("token!~oken[12]", &[0]);
    finds("fields.user.id=2", &[2]);
    finds("fields.none=2", &[]);
    finds("fields.path!~x", &[0, 1, 2]);
    finds("found", &[1]);
    finds("\"not found\"", &[1]);
    finds("\"payload=not found\"", &[1]);
    finds("payload~a=b", &[2]);
    finds("=b", &[2]);
    finds("type=page =b", &[2]);
    finds("payload~(in|found)", &[0, 1]);
    finds("type=\"login\"", &[0]);
}

#[test]
fn terms_are_joined() {
    finds("type=login or pid=2", &[0, 2]);
    finds("type=page and not payload~\"found\"", &[2]);
    finds("not (type=page and pid=1)", &[0, 2]);
    finds("not(type=page)", &[0]);
    finds("NOT type=page OR pid=2", &[0, 2]);
    finds("type=page and (pid=1 or pid=2) and not \"not found\"", &[2]);
    finds("(type=page (pid=1 or pid=0))", &[1]);
    finds("not not type=login", &[0]);
    finds("payload~(in|found) and (type=page or (payload~(in)))", &[0, 1]);
    finds("severity <= 4 or severity >= info", &[0, 2]);
    finds("tokens=token0", &[0]);
    finds("fields.user.id>0.5", &[1, 2]);
    finds("not fields.user.id>0.5", &[0]);
    finds("fields.path<1", &[]);
    finds("fields.\"user.id\"=1", &[1]);
    finds("fields.path~\"\"", &[0, 1, 2]);
    finds("timestamp>=2026-03-04T05:00:01Z", &[1, 2]);
    finds("timestamp<2026-03-04T06:00:01+01:00", &[0]);
    finds("\"and\"", &[]);
    finds("\"a=b\" or \"x<y\"", &[2]);
    finds("payload=\"a\\\"b\"", &[]);
}

#[test]
fn what_is_made_of_values_means_the_value() {
    for value in ["25", "a b", "\"", "\\", "\\\"", "a\\", "and", "(", ")", "", "'", "=x", "é\u{202e}\n", "\"\\\"\"\\"]
    {
        let text = term("fields.a=b \"c\" \\", "=", value);
        let filter = read(&format!("pid=1 {text} or (type!={})", quoted(value)));
        let sql = filter.to_sql();
        let literal = format!("'{}'", value.replace('\'', "''"));
        assert!(sql.contains(&format!("fields['a=b \"c\" \\'] = {literal}")), "{text}: {sql}");
        assert!(sql.contains(&format!("type != {literal}")), "{text}: {sql}");
    }
}

#[test]
fn filters_are_joined_and_shown_as_sql() {
    let filter = read("type=login and severity<=4 and fields.userid=25 and not payload~\"test\"");
    assert_eq!(filter.to_sql(), "type = 'login' and severity <= 4 and fields['userid'] = '25' and payload !~ 'test'");
    assert_eq!(filter.to_string(), "type=login and severity<=4 and fields.userid=25 and payload!~test");
    let sql = |text: &str| read(text).to_sql();
    assert_eq!(sql(""), "true");
    assert_eq!(sql("it's"), "contains(payload, 'it''s')");
    assert_eq!(
        sql("not (token=a or fields.ms>100)"),
        "not array_has(tokens, 'a') and (try_cast(fields['ms'] as double) is null or try_cast(fields['ms'] as double) <= 100.0)"
    );
    assert_eq!(sql("token~x"), "array_regexp_like(tokens, 'x')");
    assert_eq!(sql("fields.a!=b"), "(fields['a'] is null or fields['a'] != 'b')");
    let joined =
        Filter::all(Table::Messages).and(read("a or b")).and(Filter::equal(Table::Messages, "logger", "x y").unwrap());
    assert_eq!(joined.to_sql(), "(contains(payload, 'a') or contains(payload, 'b')) and logger = 'x y'");
    assert_eq!(Filter::containing(Table::Metrics, "type=x").unwrap().to_sql(), "contains(name, 'type=x')");
    let metrics = Filter::parse(Table::Metrics, "name~^api kind=timer tags.host=web count>=2.5 samples=3").unwrap();
    assert_eq!(
        metrics.to_sql(),
        "name ~ '^api' and kind = 'timer' and tags['host'] = 'web' and count >= 2.5 and samples = 3"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (filter, position, nearest, said) in [
        ("tipe=x", 0, Some("type"), "`tipe` is not a column of messages"),
        ("type=x and  loger=y", 12, Some("logger"), "`loger` is not a column"),
        ("host=x", 0, Some("hostname"), "`host` is not a column"),
        ("quux=x", 0, None, "there are timestamp, received_at, type"),
        ("field.user=25", 0, Some("fields"), "`field` is not a column"),
        ("severity=high", 0, None, "`high` is not a severity"),
        ("severity~1", 0, None, "has no text to search"),
        ("type<x", 0, None, "needs =, !=, ~ or !~"),
        ("fields.a", 0, None, "needs =, !=, ~ or !~"),
        ("fields=a", 0, None, "`fields` needs a key"),
        ("type.x=a", 0, None, "has no keys"),
        ("fields.a<x", 0, None, "`x` is not a number"),
        ("pid=1e3", 0, None, "`1e3` is not a whole number"),
        ("timestamp>now", 0, None, "`now` is not a time"),
        ("a payload~(", 2, None, "`(` is not a regular expression"),
        ("payload~(a{500}){500}", 0, None, "it is too large"),
        ("a \"open", 2, None, "double quote is not closed"),
        ("a (b", 2, None, "parenthesis is not closed"),
        ("a and", 5, None, "a term is missing before its end"),
        ("or a", 0, None, "a term is missing before `or`"),
        ("a and or b", 6, None, "a term is missing before `or`"),
        ("not", 3, None, "a term is missing before its end"),
        ("()", 1, None, "a term is missing before `)`"),
    ] {
        let error = Filter::parse(Table::Messages, filter).unwrap_err();
        assert!(error.message.contains(said), "{filter}: {error}");
        assert_eq!((error.position, error.nearest.as_deref()), (position, nearest), "{filter}: {error}");
    }
    let error = Filter::parse(Table::Metrics, "nane=x").unwrap_err();
    assert_eq!(error.nearest.as_deref(), Some("name"));
}

#[test]
fn filters_are_bounded() {
    let refused = |text: String| Filter::parse(Table::Messages, &text).unwrap_err().message;
    assert!(refused("x".repeat(FILTER_BYTES_MAX + 1)).contains("bytes"));
    assert!(refused("x ".repeat(TERMS_MAX + 1)).contains("terms"));
    assert!(refused("not ".repeat(1_000) + "x").contains("deep"));
    assert!(refused("(".repeat(DEPTH_MAX + 1) + "x" + &")".repeat(DEPTH_MAX + 1)).contains("deep"));
    assert!(refused(format!("payload~{}", "x".repeat(PATTERN_BYTES_MAX + 1))).contains("bytes"));
}

#[test]
fn parts_are_taken_apart_and_searches_are_found_again() {
    let filter = read("type=login and (pid=1 or pid=2) needle payload~[ae]+x not payload~need");
    let parts: Vec<String> = filter.parts().iter().map(ToString::to_string).collect();
    assert_eq!(parts, ["type=login", "pid=1 or pid=2", "needle", "payload~\"[ae]+x\"", "payload!~need"]);
    assert_eq!(filter.found_in("payload", "a needle, aex and needles"), [2..8, 10..13, 18..24]);
    assert!(filter.found_in("type", "login").is_empty());
    assert!(read("").parts().is_empty());
    let more = filter.and(read("pid=1"));
    assert!(more.to_string().ends_with("and payload!~need and pid=1"));
}
