"""The shipped reports over many messages in many objects, beside DuckDB on the same files; and a query over the last hour with
few and with very many objects in the warehouse.

    python3 bench_reports.py BINARY [--messages N] [--objects N] [--many N] [--turns N]
    (with the packages duckdb and pyarrow)

DuckDB has no sketches: where a report has percentiles, DuckDB is asked for everything but them.
"""
import argparse, datetime, json, os, pathlib, re, shutil, statistics, subprocess, tempfile, time, tomllib, urllib.error, urllib.request
from metlog_process import free_port, running, until

REPORTS = pathlib.Path(__file__).parents[2] / "web/reports"
HOUR = datetime.timedelta(hours=1)
DAYS = 7
LOGGERS, TYPES, HOSTS = [f"logger-{n}" for n in range(20)], ["wsgi", "login", "job", "error"], [f"host-{n}" for n in range(50)]
NAMES = [f"service.{n % 10}.call.{n}" for n in range(200)]


def schemas(binary):
    """Columns of the tables, from objects that metlog itself wrote."""
    import pyarrow.parquet as parquet
    with running(binary) as metlog:
        metlog.send(metlog.metlog, ['{"type": "first"}'])
        metlog.send(metlog.statsd, ["a:1|ms"])
        found = lambda table: list((metlog.folder / "warehouse" / table).rglob("*.parquet"))
        until("objects of both tables", lambda: found("messages") and found("metrics"))
        return {table: parquet.read_schema(found(table)[0]).remove_metadata() for table in ["messages", "metrics"]}


def messages(count, begin, seed, schema):
    import numpy, pyarrow as arrow
    random = numpy.random.default_rng(seed)
    micros = numpy.sort(random.integers(0, 3_600_000_000, count)) + int(begin.timestamp() * 1e6)
    pick = lambda of: arrow.array([of[n] for n in random.integers(0, len(of), count)])
    users = random.integers(0, 100_000, count)
    columns = {
        "timestamp": micros, "received_at": micros + 1000, "type": pick(TYPES), "logger": pick(LOGGERS),
        "severity": random.choice([3, 4, 6, 6, 6, 6, 7], count).astype("int32"), "hostname": pick(HOSTS), "pid": random.integers(1, 5000, count),
        "tokens": [["request", f"token-{n % 40}"] for n in users],
        "payload": [f"GET /page/{n % 977} took {n % 313} ms and was served from the cache of the nearest host" for n in users],
        "fields": [[("user", f"user-{n}"), ("status", str(200 + n % 5))] for n in users],
        "env_version": ["1"] * count,
    }
    return arrow.table([arrow.array(columns[field.name], type=field.type) for field in schema], schema=schema)


def metrics(begin, seed, schema, sketch, windows=6):
    import numpy, pyarrow as arrow
    random = numpy.random.default_rng(seed)
    start = int(begin.timestamp() * 1e6)
    rows = [(start + window * 600_000_000 + 1, name, "timer" if n % 2 else "counter") for window in range(windows) for n, name in enumerate(NAMES)]
    timer = lambda value: [value if kind == "timer" else None for _, _, kind in rows]
    counts = random.integers(1, 500, len(rows)).astype(float)
    empty = [None] * len(rows)
    columns = {
        "timestamp": [at for at, _, _ in rows], "window_seconds": [10.0] * len(rows), "name": [name for _, name, _ in rows],
        "kind": [kind for _, _, kind in rows], "tags": [[]] * len(rows), "hostname": ["h"] * len(rows), "count": counts, "sum": counts * 20.0,
        "min": timer(1.0), "max": timer(90.0), "sketch": timer(sketch), "samples": timer(20), "window_start": [at - 10_000_000 for at, _, _ in rows],
    }
    return arrow.table([arrow.array(columns.get(field.name, empty), type=field.type) for field in schema], schema=schema)


def write(folder, table, begin, number, rows):
    import pyarrow.parquet as parquet
    path = folder / table / f"dt={begin:%Y-%m-%d}" / f"hour={begin:%H}" / f"bench-{number:012}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, path, compression="zstd", compression_level=1, row_group_size=1 << 20)
    return path


def sketch_of(binary):
    """A sketch that metlog itself made."""
    with running(binary) as metlog:
        metlog.send(metlog.statsd, ["\n".join(f"t:{n}|ms" for n in range(1, 60))])
        until("the window is closed", lambda: metlog.sql("select name from metrics where name = 't'"))
        return bytes.fromhex(metlog.one("select encode(sketch, 'hex') from metrics where name = 't' limit 1"))


def fill(folder, binary, count, objects):
    schema, sketch = schemas(binary), sketch_of(binary)
    now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    hours = DAYS * 24
    for number in range(objects):
        begin = now - HOUR * (1 + number % hours)
        write(folder, "messages", begin, number, messages(count // objects, begin, number, schema["messages"]))
        if number < hours:
            write(folder, "metrics", begin, number, metrics(begin, number, schema["metrics"], sketch))
    return now


class Serve:
    """`metlog serve` over a warehouse."""

    def __init__(self, binary, folder):
        self.port = free_port()
        self.process = subprocess.Popen([binary, "serve", "--warehouse", f"file://{folder}", "--http", f"127.0.0.1:{self.port}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        until("it serves", self.is_up)

    def is_up(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).status == 200
        except OSError:
            return False

    def sql(self, query):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/sql", json.dumps({"query": query, "strict": True}).encode(), {"Content-Type": "application/json"})
        try:
            return json.loads(urllib.request.urlopen(request, timeout=120).read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read()[:500]}") from None


def filled(report, begin, end):
    values = {"from": f"timestamp '{begin:%Y-%m-%dT%H:%M:%SZ}'", "to": f"timestamp '{end:%Y-%m-%dT%H:%M:%SZ}'", "bucket": "interval '7200 seconds'"}
    for parameter in report.get("parameters", []):
        default = parameter.get("default", parameter.get("choices", [""])[0])
        kind = parameter.get("type", "text")
        seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}
        if kind == "interval":
            values[parameter["name"]] = f"interval '{int(default[:-1]) * seconds[default[-1]]} seconds'"
        else:
            values[parameter["name"]] = f"'{default}'" if isinstance(default, str) else str(default).lower()
    return re.sub(r"(?<![:\w]):(\w+)", lambda m: values.get(m.group(1), m.group(0)), report["sql"])


def for_duckdb(sql):
    sql = re.sub(r",\s*sketch_quantile\(sketch_merge\(sketch\), [\d.]+\) as \w+", "", sql)
    sql = re.sub(r"order by p99 desc", "order by mean desc", sql)
    return sql.replace("octet_length(", "strlen(").replace(" name, sketch_quantile(sketch_merge(sketch), 0.99) as p99,", " name,")


def timed(ask, turns):
    taken = []
    for _ in range(turns):
        begin = time.perf_counter()
        rows = ask()
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken), len(rows)


def reports(binary, folder, now, turns):
    import duckdb
    server = Serve(binary, folder)
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set threads = 2")
    for table in ["messages", "metrics"]:
        connection.execute(f"create view {table} as select * from read_parquet('{folder}/{table}/**/*.parquet', hive_partitioning = true)")
    begin = now - datetime.timedelta(days=DAYS)
    lines = []
    try:
        for path in sorted(REPORTS.glob("*.toml")):
            report = tomllib.loads(path.read_text())
            if "from senders" in report["sql"]:
                continue
            sql = filled(report, begin, now)
            server.sql(sql)
            ours, rows = timed(lambda: server.sql(sql), turns)
            theirs_sql = for_duckdb(sql)
            connection.execute(theirs_sql).to_arrow_table()
            theirs, their_rows = timed(lambda: connection.execute(theirs_sql).to_arrow_table(), turns)
            note = "" if theirs_sql.count("sketch") == sql.count("sketch") else ", without percentiles in DuckDB"
            note += "" if rows == their_rows else f"; rows differ: {rows} and {their_rows}"
            lines.append(f"| {report['title']}{note} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |")
            print(lines[-1], flush=True)
    finally:
        server.process.kill()
    return lines


def last_hour(binary, folder, counts, turns):
    """A hundred objects an hour, into the past; the last hour has one, and is asked for."""
    schema = schemas(binary)["messages"]
    now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    for count in counts:
        warehouse = pathlib.Path(folder) / str(count)
        first = write(warehouse, "messages", now - HOUR, 0, messages(1000, now - HOUR, 0, schema))
        for number in range(1, count):
            begin = now - HOUR * (2 + number // 100)
            path = warehouse / "messages" / f"dt={begin:%Y-%m-%d}" / f"hour={begin:%H}" / f"bench-{number:012}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            # File systems bound how many links a file may have.
            if number % 50_000 == 0:
                first = shutil.copy(first, path)
            else:
                os.link(first, path)
        server = Serve(binary, warehouse)
        try:
            sql = f"select type, count(*) as n from messages where timestamp >= timestamp '{now - HOUR:%Y-%m-%dT%H:%M:%SZ}' and timestamp < timestamp '{now:%Y-%m-%dT%H:%M:%SZ}' group by type"
            server.sql(sql)
            taken, rows = timed(lambda: server.sql(sql), turns * 3)
            assert rows == len(TYPES), rows
            print(f"| {count:,} objects | {taken:.1f} |", flush=True)
        finally:
            server.process.kill()
        shutil.rmtree(warehouse)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--objects", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="metlog-reports-"))
    try:
        begin = time.monotonic()
        now = fill(folder / "reports", options.binary, options.messages, options.objects)
        size = sum(file.stat().st_size for file in (folder / "reports").rglob("*.parquet")) / 1e6
        print(f"{options.messages:,} messages in {options.objects:,} objects, {size:.0f} MB, made in {time.monotonic() - begin:.0f} s")
        print("| report over 7 days, p50 | metlog ms | DuckDB ms | ratio |\n|---|---|---|---|")
        reports(options.binary, folder / "reports", now, options.turns)
        shutil.rmtree(folder / "reports")
        print("| one hour of messages by type, p50 | ms |\n|---|---|")
        last_hour(options.binary, folder, [100, options.many], options.turns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
