//! What is not answered: whatever would change or open something, and SQL with mistakes, with their place.
use super::*;
use crate::Kind;
use serde_json::json;

async fn refusal(sql: &str) -> Error {
    let engine = engine(&Arc::new(InMemory::new()), Some(FakeHot::new(0, Vec::new())));
    ask(&engine, sql).await.expect_err(sql)
}

#[tokio::test]
async fn whatever_is_not_a_question_is_refused() {
    for sql in [
        "create table t (a int)",
        "create table t as select 1",
        "create view v as select 1",
        "create external table t stored as csv location '/etc/passwd'",
        "create schema s",
        "create database d",
        "create function f(int) returns int return $1",
        "drop table messages",
        "insert into messages select * from messages",
        "update messages set payload = ''",
        "delete from messages",
        "truncate table messages",
        "merge into messages using messages as m on true when matched then delete",
        "copy messages to '/tmp/stolen.csv'",
        "copy (select 1) to '/tmp/stolen.parquet' stored as parquet",
        "explain copy messages to '/tmp/stolen.csv'",
        "explain analyze insert into messages select * from messages",
        "explain create external table t stored as csv location '/etc/passwd'",
        "set datafusion.execution.batch_size = 1",
        "reset datafusion.execution.batch_size",
        "begin",
        "prepare p as select 1",
        "execute p",
        "use public",
        "load data inpath '/etc/passwd' into table messages",
        "select 1 into t",
    ] {
        let error = refusal(sql).await;
        assert!(matches!(error.kind, Kind::ReadOnly | Kind::Sql), "{sql}: {error:?}");
    }
    for sql in ["create table t (a int)", "insert into messages select * from messages", "copy messages to '/x'"] {
        assert_eq!(refusal(sql).await.kind, Kind::ReadOnly, "{sql}");
    }
    assert!(!std::path::Path::new("/tmp/stolen.csv").exists());
    assert!(!std::path::Path::new("/tmp/stolen.parquet").exists());
}

#[tokio::test]
async fn no_file_can_be_named() {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), "secret\n1\n").unwrap();
    let path = file.path().display();
    for sql in [
        format!("select * from '{path}'"),
        format!("select * from \"{path}\""),
        format!("select * from 'file://{path}'"),
        format!("select * from \"metlog\".\"public\".\"{path}\""),
        format!("select * from read_csv('{path}')"),
        format!("select * from read_parquet('{path}')"),
        format!("select * from parquet_metadata('{path}')"),
        format!("select * from glob('{path}')"),
        format!("select read_file('{path}')"),
        format!("select load_file('{path}')"),
        "select * from 'metlog://warehouse/messages'".to_owned(),
        "select getenv('HOME')".to_owned(),
        "select @@version".to_owned(),
        "select $HOME".to_owned(),
    ] {
        let error = refusal(&sql).await;
        assert_eq!(error.kind, Kind::Sql, "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn mistakes_have_a_place() {
    for (sql, place, word) in [
        ("select\n  * fro messages", Some((2, 5)), "fro"),
        ("select\ncount(*) from ", Some((2, 14)), "identifier"),
        ("select 'open", Some((1, 8)), "literal"),
        ("select payloads\nfrom messages", Some((1, 8)), "payload"),
        ("select m.payload,\n       m.nothing from messages m", Some((2, 8)), "nothing"),
        ("select * from\nmassages", Some((2, 1)), "massages"),
        ("select nothing(payload) from messages", Some((1, 8)), "nothing"),
        ("", None, "No SQL"),
        ("select 1; select 2", None, "single"),
        ("select 1/0", None, "division by zero"),
        ("select cast('x' as int)", None, "'x'"),
        ("select payload from messages group by type", Some((1, 8)), "payload"),
    ] {
        let error = refusal(sql).await;
        assert_eq!((error.kind, error.position), (Kind::Sql, place), "{sql}: {error:?}");
        assert!(error.message.contains(word), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn an_error_in_json_has_its_place_or_null() {
    let placed = Error { kind: Kind::Sql, message: "m".into(), position: Some((2, 5)) };
    let expected = json!({"error": {"kind": "sql", "message": "m", "line": 2, "column": 5}});
    assert_eq!(placed.to_json(), expected);
    let expected = json!({"error": {"kind": "timeout", "message": "m", "line": null, "column": null}});
    assert_eq!(Error::new(Kind::Timeout, "m").to_json(), expected);
}

#[tokio::test]
async fn what_explains_is_allowed() {
    let engine = engine(&Arc::new(InMemory::new()), None);
    for sql in [
        "explain select * from messages",
        "explain analyze select count(*) from messages",
        "describe messages",
        "show tables",
        "-- how many?\nselect count(*) from messages;",
        "show columns from metrics",
        "show functions like 'sketch%'",
        "with m as (select payload from messages) select * from m union all select 'x'",
        "values (1, 'a'), (2, 'b')",
        "select round(avg(pid), 2), date_bin(interval '1 hour', timestamp) from messages group by 2",
    ] {
        ask(&engine, sql).await.expect(sql);
    }
}
