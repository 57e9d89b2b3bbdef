//! Messages of all times: few objects, and every row found.
use crate::running::{Running, stdout_of, until};
use metlog_schemas::time::{HOUR, Hour, rfc3339};
use serde_json::json;
use std::path::Path;

const MESSAGES: u64 = 20_000;
/// Hours from 1970 to 2099.
const HOURS: u64 = 1_139_544;

fn objects(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { objects(&path) } else { 1 }).sum()
}

fn hour(n: u64) -> Hour {
    Hour((n * 7_919 % HOURS) as i64)
}

/// Scenario: 20,000 small messages whose times are spread over 1970 to 2099, from one sender, as fast as it can.
/// Guarantees: they come to at most 64 objects, one more for each 1,024 rows and one, for each segment that they were
/// journaled in; each is found by its time, its day and its hour, before and after it is stored.
#[test]
fn messages_of_all_times_come_to_few_objects() {
    let mut metlog = Running::up("roll_after = \"3s\"\n");
    for part in (0..MESSAGES).collect::<Vec<_>>().chunks(200) {
        let line = |n: &u64| {
            format!(r#"{{"type":"t","payload":"{n}","timestamp":"{}"}}"#, rfc3339(hour(*n).start() + HOUR / 2))
        };
        metlog.send("metlog", &part.iter().map(line).collect::<Vec<_>>().join("\n"));
        let sent = part[part.len() - 1] + 1;
        until("the datagram is received", || metlog.ledger()["received"] == sent);
    }
    let check = |query: &dyn Fn(&str) -> serde_json::Value| {
        assert_eq!(
            query("select count(*) as n, count(distinct payload) as d from messages"),
            json!([{"n": 20_000, "d": 20_000}])
        );
        for n in [0, 1, 777, 19_999] {
            let (dt, of_day, time) = (hour(n).date(), hour(n).of_day(), rfc3339(hour(n).start() + HOUR / 2));
            for filter in [format!("dt = '{dt}' and hour = {of_day}"), format!("timestamp = '{time}'")] {
                let sql = format!("select payload, dt, hour from messages where {filter} order by payload");
                let rows = query(&sql);
                let row = json!({"payload": n.to_string(), "dt": dt, "hour": of_day});
                assert!(rows.as_array().unwrap().contains(&row), "{sql}: {rows}");
            }
        }
        assert_eq!(query("select count(*) as n from messages where dt is null or hour is null"), json!([{"n": 0}]));
        let counted = query("select count(*) as n from messages where dt >= '2000-01-01'");
        let expected = (0..MESSAGES).filter(|n| hour(*n).days() >= 10_957).count();
        assert_eq!(counted, json!([{"n": expected}]));
    };
    check(&|sql| metlog.query(sql));
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
    let url = format!("file://{}", metlog.warehouse().display());
    check(&|sql| serde_json::from_str(&stdout_of(&["query", "--warehouse", &url, "--format", "json", sql])).unwrap());
    let messages = metlog.warehouse().join("messages");
    let unknown = messages.join("dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__");
    // Each segment that has strays has one object of them.
    let segments = objects(&unknown);
    assert!(segments >= 1);
    let most = 64 * segments + MESSAGES as usize / 1_024 + segments + 64;
    assert!(objects(&messages) <= most, "{} objects of {segments} segments", objects(&messages));
}
