//! Templates on lines as programs write them.
use super::template::Template;
use super::{Counts, Outgoing};
use crate::arguments::TemplateOptions;
use metlog_schemas::wire::Severity;
use regex::Regex;

fn template(regex: &str) -> Template {
    let options = TemplateOptions { line_regex: Some(Regex::new(regex).unwrap()), ..TemplateOptions::default() };
    Template::new(&options, "line")
}

#[track_caller]
fn check(regex: &str, line: &str) -> (Outgoing, Counts) {
    let mut counts = Counts::default();
    let outgoing = template(regex).message(line.as_bytes(), "app", 1_767_323_045_000_000, &mut counts);
    (outgoing, counts)
}

#[test]
fn lines_of_other_programs_are_read() {
    let (apache, counts) = check(
        r"^\[(?<time>[^\]]+)\] \[(?<severity>\w+)\] (?<payload>.*)",
        "[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6",
    );
    assert_eq!(apache.message.timestamp, 1_133_671_664_000_000);
    assert_eq!((apache.message.severity, apache.has_origin), (Severity::ERROR, false));
    assert_eq!((apache.message.payload.as_str(), counts.texts), ("mod_jk child workerEnv in error state 6", 1));
    let (hdfs, _) = check(
        r"^(?<time>\d{6} \d{6}) (?<pid>\d+) (?<severity>\w+) (?<logger>[^:]+): (?<payload>.*?(?<block>blk_\S+)?)$",
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block terminating",
    );
    assert_eq!(
        (hdfs.message.pid, hdfs.has_origin, hdfs.message.logger.as_str()),
        (148, true, "dfs.DataNode$PacketResponder")
    );
    assert!(hdfs.message.fields.is_empty(), "a group that took no part is no field");
}

#[test]
fn what_is_not_found_is_counted() {
    let regex = r"^(?<time>\S+) (?<severity>\S+) (?<type>\S+) (?<user>\w+)";
    let (found, counts) = check(regex, "noon loud login jo");
    let expected = Counts { texts: 1, without_time: 1, without_severity: 1, ..Counts::default() };
    assert_eq!(counts, expected);
    assert_eq!((found.message.timestamp, found.message.r#type.as_str()), (1_767_323_045_000_000, "login"));
    assert_eq!(found.message.payload, "noon loud login jo", "without a payload group the line is the payload");
    assert_eq!(found.message.fields, [("user".to_owned(), "jo".to_owned())]);
    let (whole, counts) = check(regex, "short");
    assert_eq!((whole.message.payload.as_str(), counts.unmatched), ("short", 1));
    assert_eq!(whole.message.r#type, "line");
    assert_eq!(counts.remarks(), ["1 line does not match --line-regex, and went whole"]);
}

#[test]
fn one_is_singular() {
    let counts = Counts { json: 0, texts: 1, ..Counts::default() };
    assert_eq!(counts.summary(1, 0.04), "1 message (0 Metlog JSON, 1 line of text) in 1 datagram, 0.0 s");
    let counts = Counts { json: 1, texts: 1_500, ..Counts::default() };
    assert_eq!(counts.summary(20, 1.0), "1,501 messages (1 Metlog JSON, 1,500 lines of text) in 20 datagrams, 1.0 s");
}
