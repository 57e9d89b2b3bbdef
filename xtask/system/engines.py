"""DuckDB, Spark with Hive support and metlog itself read the same warehouse by the statements of `metlog ddl`.

    python3 engines.py BINARY       (with the packages duckdb and pyspark)

No Hive runs here. Hive's own SerDe before version 4 is run by Spark, which is told to leave its own Parquet reader
alone. For Hive 4, Spark stands in with that dialect's statements and its own reader: that shows that they are good
Hive DDL and that the declared types fit the files, not that Hive 4's reader takes them. The statements for
DataFusion are run in `query/src/tests/ddl.rs`.
"""
import json, os, subprocess, sys
from metlog_process import balanced, running, until
from wire import wire_datagram

MESSAGES = 500
# Messages of so many hours that most of them share one object: see `schemas/tables.md`, "Partitions".
STRAYS = 200
SPANS = 100
QUESTIONS = {
    "messages": "select count(*) from messages",
    "rows of many hours": "select count(*) from messages where timestamp < timestamp '2000-01-01 00:00:00'",
    "payloads": "select count(distinct payload) from messages",
    "hour of the event": "select count(*) from messages where dt = '2026-01-02' and hour = 3",
    "a field": "select count(*) from messages where fields['n'] = '7'",
    "increments": "select cast(sum(count) as bigint) from metrics where name = 'hits'",
    "spans": "select count(*) from spans",
    "spans of an attribute": "select count(*) from spans where attributes['http.route'] = '/cart/7'",
    "a number as text": "select count(*) from spans where attributes['n'] = '7' and attribute_types = 'si'",
    "spans of a resource": "select count(*) from spans where resource_attributes['service.name'] = service and kind = 'server'",
    "durations": "select cast(sum(duration_nanos) as bigint) from spans",
    "a trace": f"select count(*) from spans where trace_id = '{7:032x}'",
}
# Lists count from 0 in some engines, and from 1 in others.
EVENTS = "select count(*) from spans where {} = 'retry' and {} = '7'"
IN_EVENTS = {
    "datafusion": ("events[1]['name']", "events[1]['attributes']['n']"),
    "duckdb": ("events[1].name", "events[1].attributes['n']"),
    "spark": ("events[0].name", "events[0].attributes['n']"),
}
EXPECTED = {"messages": MESSAGES + STRAYS, "rows of many hours": STRAYS, "payloads": MESSAGES + STRAYS,
            "hour of the event": MESSAGES // 2, "a field": 1, "increments": MESSAGES,
            "spans": SPANS, "spans of an attribute": 1, "a number as text": 1, "spans of a resource": SPANS,
            "durations": SPANS * 1000, "a trace": 1}
TIME = "select cast(min({}) as varchar({})) from messages"


def statements(metlog, dialect):
    url = f"file://{metlog.folder}/warehouse"
    text = subprocess.run([metlog.binary, "ddl", "--dialect", dialect, "--warehouse", url], check=True, capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def filled(binary):
    metlog = running(binary)
    process = metlog.__enter__()
    message = lambda n: json.dumps({"type": "t", "payload": f"p{n}", "fields": {"n": n}, "tokens": ["a", "b"],
                                    "timestamp": f"2026-01-02T0{3 + n % 2}:00:00.{n:06}Z"})
    stray = lambda n: json.dumps({"type": "stray", "payload": f"s{n}",
                                  "timestamp": f"1999-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:30:00Z"})
    process.send(process.metlog, map(message, range(MESSAGES)))
    process.send(process.metlog, map(stray, range(STRAYS)))
    process.send(process.statsd, ["hits:1|c|#env:prod\nt:3.5|ms"] * MESSAGES)
    start = 1_767_323_000_000_000_000
    span = lambda n: (n.to_bytes(16, "big"), n.to_bytes(8, "big"), bytes(8), "GET /cart", start + n, 1000,
                      {"http.route": f"/cart/{n}", "n": n}, [(5, "retry", {"n": n})])
    process.send(process.metlog, [wire_datagram(77, nth, start // 1000, 1, "h", "shop", [], [span(10 * nth + k + 1) for k in range(10)])
                                  for nth in range(SPANS // 10)])
    until("all is received", lambda: process.ledger()["received"] == 3 * MESSAGES + STRAYS + SPANS)
    balanced(process.ledger())
    process.stop()
    return metlog, process


def check(ask, engine):
    assert (found := ask(EVENTS.format(*IN_EVENTS[engine]))) == 1, f"{found} spans have the event"
    wrong = {name: answer for name, query in QUESTIONS.items() if (answer := ask(query)) != EXPECTED[name]}
    assert not wrong, f"{wrong}, expected {EXPECTED}"
    return f"{len(EXPECTED)} answers agree"


def datafusion(metlog):
    url = f"file://{metlog.folder}/warehouse"
    ask = lambda query: next(iter(json.loads(subprocess.run(
        [metlog.binary, "query", "--warehouse", url, "--format", "json", query], check=True, capture_output=True).stdout)[0].values()))
    return check(ask, "datafusion")


def duckdb(metlog):
    import duckdb
    with duckdb.connect() as connection:
        for statement in statements(metlog, "duckdb"):
            connection.execute(statement)
        ask = lambda query: connection.execute(query).fetchall()[0][0]
        first = ask("select min(timestamp)::varchar from messages where type = 't'")
        assert first.startswith("2026-01-02 03:00:00"), first
        return check(ask, "duckdb")


def spark_session(metlog, name, **options):
    from pyspark.sql import SparkSession
    os.environ["SPARK_SUBMIT_OPTS"] = f"-Dderby.stream.error.file={metlog.folder}/derby.log"
    builder = SparkSession.builder.master("local[1]").appName(name).enableHiveSupport()
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1", "spark.sql.session.timeZone": "UTC",
                "spark.sql.warehouse.dir": f"{metlog.folder}/{name}-warehouse",
                "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={metlog.folder}/{name}-metastore;create=true",
                "spark.log.level": "ERROR", **options}
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def in_spark(metlog, dialect, **options):
    session = spark_session(metlog, dialect, **options)
    try:
        for statement in statements(metlog, dialect):
            session.sql(statement)
        first = session.sql("select cast(min(timestamp) as string) from messages where type = 't'").collect()[0][0]
        assert first.startswith("2026-01-02 03:00:00"), first
        return check(lambda query: session.sql(query).collect()[0][0], "spark")
    finally:
        session.stop()


def spark(metlog):
    return in_spark(metlog, "spark")


def hive(metlog):
    """Hive's own SerDe, as Spark runs it when it may not use its own reader."""
    return in_spark(metlog, "hive", **{"spark.sql.hive.convertMetastoreParquet": "false"})


def hive4(metlog):
    """The statements for Hive 4, with Spark's reader in the place of Hive's."""
    return in_spark(metlog, "hive4")


def main(binary):
    # Each engine asks the same folder, so it is filled once.
    context, metlog = filled(binary)
    engine = sys.argv[2] if len(sys.argv) > 2 else None
    passed = failed = 0
    for function in (datafusion, duckdb, spark, hive, hive4):
        if engine not in (None, function.__name__):
            continue
        if function in (spark, hive, hive4) and engine is None:
            # A session keeps its catalogue for the life of the process: each gets its own.
            done = subprocess.run([sys.executable, __file__, binary, function.__name__], capture_output=True, text=True)
            said = [line for line in done.stdout.splitlines() if line[:4] in ("pass", "FAIL")]
            print(*said or [f"FAIL  {function.__name__}: {done.stderr[-1500:]}"], sep="\n", flush=True)
            passed, failed = passed + (done.returncode == 0), failed + (done.returncode != 0)
            continue
        try:
            print(f"pass  {function.__name__}: {function(metlog)}", flush=True)
            passed += 1
        except Exception as error:  # what cannot run has failed
            print(f"FAIL  {function.__name__}: {type(error).__name__}: {str(error)[:1500]}", flush=True)
            failed += 1
    context.__exit__(None, None, None)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1])
