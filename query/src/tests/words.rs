//! Errors in the words of whoever wrote the query, and never in the engine's.
use super::*;
use crate::Kind;

async fn error(sql: &str) -> Error {
    let hot = FakeHot::new(0, vec![messages(HOUR, &["x", "12"])]);
    let engine = engine(&Arc::new(InMemory::new()), Some(hot));
    ask(&engine, sql).await.expect_err(sql)
}

#[track_caller]
fn check_words(sql: &str, error: &Error, words: &[&str]) {
    for word in words {
        assert!(error.message.contains(word), "{sql}: `{word}` is missing: {error:?}");
    }
    assert!(!shows_the_engine(error), "{sql}: {error:?}");
}

/// True where a message speaks of the engine instead of the query.
pub(super) fn shows_the_engine(error: &Error) -> bool {
    let message = error.message.to_lowercase();
    let internal = [
        "datafusion",
        " bug",
        "arrow error",
        "external error",
        "backtrace",
        "schema error",
        "error during planning",
        "execution error",
        "optimizer",
        "internal error",
        "valid fields",
        "simplify_expressions",
        "type_coercion",
        "metlog.public",
        "issue tracker",
        "parser error",
        "caused by",
    ];
    internal.iter().any(|internal| message.contains(internal))
}

#[tokio::test]
async fn names_that_are_nearly_right() {
    for (sql, place, words) in [
        ("select loger from messages", (1, 8), &["no column `loger`", "did you mean `logger`?"][..]),
        ("select message from messages", (1, 8), &["did you mean `payload`?"]),
        ("select level\nfrom messages", (1, 8), &["did you mean `severity`?"]),
        ("select m.loger from messages m", (1, 8), &["no column `loger`", "did you mean `logger`?"]),
        ("select quux from messages", (1, 8), &["no column `quux`", "timestamp, "]),
        ("select * from mesages", (1, 15), &["no table `mesages`", "did you mean `messages`?"]),
        ("select * from logs", (1, 15), &["no table `logs`", "messages, metrics, spans, pings, probes, senders"]),
        ("select cuont(*) from messages", (1, 8), &["no function `cuont`", "did you mean `count`?"]),
        ("select payload from messages where type = \"wsgi\"", (1, 43), &["no column `wsgi`", "single quotes: 'wsgi'"]),
        ("select strftime('%Y', timestamp) from messages", (1, 8), &["to_char(timestamp, '%Y-%m-%d %H:%M')"]),
        ("select json_extract(payload, 'a') from messages", (1, 8), &["json_get(payload, 'key')"]),
        ("select len(payload) from messages", (1, 8), &["length(text)"]),
        ("select hour(timestamp) from messages", (1, 8), &["date_part('hour', timestamp)"]),
        ("select GROUP_CONCAT(payload) from messages", (1, 8), &["string_agg(x, ',')"]),
    ] {
        let error = error(sql).await;
        assert_eq!((error.kind, error.position), (Kind::Sql, Some(place)), "{sql}: {error:?}");
        check_words(sql, &error, words);
    }
}

#[tokio::test]
async fn mistakes_of_all_kinds() {
    for (sql, words) in [
        ("select cast(payload as int) from messages", &["'x'", "INT", "TRY_CAST"][..]),
        ("select cast('x' as bigint)", &["'x'", "BIGINT", "TRY_CAST"]),
        ("select cast('x' as timestamp)", &["not a timestamp: 'x'"]),
        ("select timestamp 'yesterday'", &["yesterday"]),
        ("select 1 / 0", &["division by zero"]),
        ("select 1 / (pid - 7) from messages", &["division by zero"]),
        ("select abs(payload) from messages", &["abs"]),
        ("select abs(1, 2, 3)", &["abs"]),
        ("select sum(payload) from messages", &["sum"]),
        ("select payload + 1 from messages where tokens > 3", &[]),
        ("select payload from messages group by type", &["`payload`", "GROUP BY"]),
        ("select count(*) from messages where count(*) > 1", &[]),
        ("select * from messages a, messages b where pid = 1", &["`pid`", "more than one table"]),
        ("select pid as x, type as x from (select 1 as x, 2 as x)", &["`x`"]),
        ("select to_char(timestamp, 'YYYY-MM-DD') from messages", &["YYYY-MM-DD", "%Y-%m-%d"]),
        ("select to_char(timestamp, '%Y-%Q') from messages", &["`%Q`", "strftime"]),
        ("select to_char(timestamp, payload) from messages", &["strftime"]),
        ("select sketch_quantile(sketch, 1.5) from metrics", &["sketch_quantile", "second argument", "1.5"]),
        ("select sketch_quantile(sketch, -1) from metrics", &["second argument", "-1"]),
        ("select cast(300 as tinyint)", &["300"]),
        ("select regexp_like(payload, '(') from messages", &["not a regular expression: unclosed group"]),
        ("select date_trunc('hours', timestamp) from messages", &["hours"]),
        ("select date_bin('x', timestamp) from messages", &[]),
        ("select payload from messages limit 'x'", &[]),
        ("select payload from messages order by 5", &[]),
        ("select (select payload from messages) as x", &[]),
        ("select row_number() from messages", &["window function", "OVER"]),
        ("select [1, 'x', [2]]", &[]),
        ("select * from unnest(3)", &[]),
        ("select unnest(3)", &[]),
        ("select 1 union all select 1, 2", &[]),
        ("select pid from messages qualify row_number() over () = 1 intersect select", &[]),
        ("select interval 'x'", &["x"]),
        ("select fields.x from messages", &[]),
        ("select payload.x from messages", &[]),
        ("select payload[1] from messages", &[]),
        ("select $1", &[]),
        ("select @x", &[]),
        ("select * from read_csv('/etc/passwd')", &["files cannot be read"]),
        ("select lag(payload, 'x') over (order by pid) from messages", &[]),
        ("select approx_percentile_cont(pid, 2) from messages", &[]),
        ("select percentile_cont(2) within group (order by pid) from messages", &[]),
        ("select 'a' like 5 escape 'xx'", &[]),
        ("select case when 1 then 'a' end", &[]),
        ("select * from messages where payload", &[]),
        ("select * from messages where pid in (select pid, type from messages)", &[]),
        ("select array_element(1, 2)", &[]),
        ("select arrow_cast(1, 'Int65')", &["`Int65`", "not the name of a type", "'Int64'"]),
        ("select arrow_cast(1, payload) from messages", &["constant"]),
        ("show nothing", &[]),
        ("describe nothing", &["nothing"]),
        ("select * from messages natural join metrics using (x)", &[]),
        ("select * from messages join metrics using (x)", &["x"]),
        ("select * from range(1, 2, 3, 4, 5)", &[]),
        ("select * from range('x')", &[]),
        ("select json_get(5, 'a')", &["json_get"]),
        ("select time_bucket(5, payload) from messages", &["write time_bucket(interval, timestamp[, origin])"]),
        ("select regexp_extract(payload) from messages", &["write regexp_extract(text, pattern[, group])"]),
        ("select arg_max(payload) from messages", &["arg_max(x, y)"]),
        ("explain select loger from messages", &["logger"]),
        ("with x as (select loger from messages) select * from x", &["logger"]),
        ("select exists(select loger from messages)", &["logger"]),
        ("select count(*) filter (where loger = 'x') from messages", &["logger"]),
        ("select * from messages order by loger", &["logger"]),
        ("select sum(pid) over (partition by loger) from messages", &["logger"]),
    ] {
        // What DataFusion takes is no mistake; what is named here is one.
        let found = match result(sql).await {
            Err(found) => found,
            Ok(_) if words.is_empty() => continue,
            Ok(rows) => panic!("{sql}: {rows}"),
        };
        assert_ne!(found.kind, Kind::Storage, "{sql}: {found:?}");
        check_words(sql, &found, words);
    }
}

async fn result(sql: &str) -> Result<Value, Error> {
    let hot = FakeHot::new(0, vec![messages(HOUR, &["x", "12"])]);
    ask(&engine(&Arc::new(InMemory::new()), Some(hot)), sql).await
}

#[tokio::test]
async fn values_in_messages_are_cut() {
    let long = "x".repeat(5_000);
    let error = error(&format!("select cast('{long}' as int)")).await;
    assert!(error.message.len() < 1_000 && error.message.contains("INT"), "{error}");
}

#[tokio::test]
async fn memory_is_told_without_operators() {
    let config = Config { memory_bytes: 1 << 20, ..Config::default() };
    let engine = engine_with(config, &Arc::new(InMemory::new()), None);
    let error = ask(&engine, "select value, count(*) from range(10000000) group by 1 limit 1").await.unwrap_err();
    assert_eq!(error.kind, Kind::Limit);
    check_words("group by", &error, &["memory", "1024.0 KB"]);
    assert!(!error.message.contains("Stream") && !error.message.contains("pool"), "{error}");
}
