"""The worst that the interfaces beside SQL can be asked: Graphite's render with wildcards, huge ranges and nested calls, searches
of Jaeger and Zipkin, Explore and its files, reports and messages of the page, and Flight SQL. Each is answered or refused in time
and in words, beside an intake that loses nothing."""
import json, pathlib, sys, threading, time, urllib.error, urllib.parse, urllib.request
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import BEYOND_MIB, MEMORY_MIB, Sender, accounted, attacked, in_background, main
from metlog_process import free_port, until

QUERY_MIB, SECONDS_MAX, PER_SECOND, AT_ONCE = 256, 60, 2_000, 4
SERIES, SPANS, MESSAGES = 2_000, 2_000, 3_000
DECADES = "from=19700101&until=20991231"
CROSS = "select count(*) from messages a, messages b, messages c, messages d where a.payload <> b.payload"
SORTED = "select repeat(payload, 1000) as p from messages cross join generate_series(1, 4096) order by 1"


def nested(call, depth):
    return f"{call}(" * depth + "stats.timers.*.*.mean" + ")" * depth


def questions():
    """Path and query, or path, query and form."""
    quote = urllib.parse.quote
    render = lambda target, more="from=-1h": (f"/render?format=json&{more}&target={quote(target)}", None)
    yield render("*.*.*.*", DECADES)
    yield render("**********.**********.**********", DECADES)
    yield render("{" + ",".join("a*b*" for _ in range(500)) + "}.*.*")
    yield render("[" + "a-z" * 2_000 + "]*.*")
    yield render(nested("movingMedian", 60).replace(")", ",'1h')"), "from=-365d")
    yield render(nested("absolute", 5_000))
    yield render("hitcount(stats.timers.*.*.count,'1s')", DECADES)
    yield render("summarize(stats.timers.*.*.count,'1s')", DECADES)
    yield render("timeShift(" * 50 + "stats.timers.*.*.mean" + ",'10y')" * 50)
    yield render("group(" + ",".join(["stats.timers.*.*.mean"] * 500) + ")", DECADES)
    yield render("aliasSub(stats.timers.*.*.mean,'(a*)*(b*)*c','x')")
    yield render("seriesByTag('name=~(.*)*(.*)*(.*)*x')")
    yield render("constantLine(1e308)", DECADES)
    yield "/render", "format=json&" + DECADES + "&" + "&".join("target=stats.*.*.*.*" for _ in range(1_000))
    yield "/metrics/find?query=" + quote("*" * 5_000), None
    yield "/metrics/find?query=" + quote("{" * 3_000), None
    yield "/metrics/expand?" + "&".join("query=*.*.*.*" for _ in range(1_000)), None
    yield "/tags/findSeries?expr=" + quote("name=~" + "(a|b|c)*" * 500 + "$"), None
    yield "/events/get_data?" + DECADES, None
    for more in ("start=0&end=9223372036854775807", "lookback=9223372036854775807"):
        yield f"/api/traces?service=s1&limit=10000&{more}", None
    yield "/api/traces?limit=10000&filter=" + quote(" or ".join(["name~\"(a*)*b\""] * 300)), None
    yield "/api/traces?limit=10000&filter=" + quote("(" * 3_000 + "kind=server" + ")" * 3_000), None
    yield "/api/traces?" + "&".join(f"traceID={n:x}" for n in range(1, 2_000)), None
    yield "/api/metrics/latencies?service=s1&quantile=0.5&step=1&lookback=9000000000000&groupByOperation=true", None
    yield "/api/dependencies?endTs=9223372036854775807&lookback=9223372036854775807", None
    yield "/api/deep-dependencies?service=s1", None
    yield "/api/v3/traces?query.startTimeMin=1970-01-01T00:00:00Z&query.startTimeMax=2200-01-01T00:00:00Z&query.searchDepth=10000", None
    yield "/api/v2/traces?limit=10000&lookback=9223372036854775807&annotationQuery=" + quote(" and ".join(["error"] * 2_000)), None
    yield "/api/v2/dependencies?endTs=9223372036854775807&lookback=9223372036854775807", None
    yield "/api/v2/autocompleteValues?key=" + quote("'" * 2_000), None
    for sql in (CROSS, SORTED, "select " + "(" * 5_000 + "1" + ")" * 5_000):
        yield "/explore/result?sql=" + quote(sql), None
        yield "/explore/export?format=parquet&sql=" + quote(sql), None
    yield "/messages?from=1970-01-01&filter=" + quote(" and ".join(["payload~\"(x*)*y\""] * 200)), None
    yield "/series?from=1970-01-01&find=" + quote("a" * 5_000) + "&stat=p99&by=host", None
    yield "/traces?from=1970-01-01&filter=" + quote("not " * 2_000 + "kind=server"), None
    yield "/traces/map?from=1970-01-01", None
    yield "/reports/unique-users?from=1970-01-01&field=" + quote("'" * 3_000), None


def told(port, path, form):
    """What came of it, in a word; it raises where nothing came in time, or an error of the server."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", form.encode() if form else None)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
            while answer.read(1 << 20):
                pass
            return "answered"
    except urllib.error.HTTPError as error:
        text = error.read()
        assert error.code != 500 and (text or error.code == 414), f"{error.code} {text[:300]}"
        return "refused"
    except urllib.error.URLError as error:
        # Longer than a server reads: the connection ends before the request does.
        assert len(path) > 8_000 and isinstance(error.reason, OSError), error
        return "refused"


def by_flight(port, ended):
    """The same engine by another way, for as long as it lasts."""
    try:
        import adbc_driver_flightsql.dbapi as flight
        import adbc_driver_manager
    except ImportError:
        return None
    failures = []
    with flight.connect(f"grpc://127.0.0.1:{port}") as connection:
        while not ended:
            for sql in (CROSS, SORTED, "select 1"):
                with connection.cursor() as cursor:
                    try:
                        cursor.execute(sql)
                        cursor.fetchall()
                    except adbc_driver_manager.Error as error:
                        failures.append(str(error.status_code))
    return failures


def fill(metlog, zipkin):
    metlog.send(metlog.statsd, ["\n".join(f"s{n % 50}.call{n}:{n}|ms|#dc:d{n % 7}" for n in range(at, at + 25)) for at in range(0, SERIES, 25)])
    metlog.send(metlog.metlog, [json.dumps({"type": f"t{n % 9}", "logger": "s1", "payload": f"payload {n}", "fields": {"user": str(n)}}) for n in range(MESSAGES)])
    now = int(time.time() * 1e6)
    span = lambda n: {"traceId": f"{n // 4 + 1:016x}", "id": f"{n + 1:016x}", "parentId": f"{n // 4 * 4 + 1:016x}" if n % 4 else None,
                      "name": f"op{n % 20}", "timestamp": now - n, "duration": n + 1, "kind": "SERVER", "localEndpoint": {"serviceName": f"s{n % 9}"}}
    spans = [{key: value for key, value in span(n).items() if value is not None} for n in range(SPANS)]
    request = urllib.request.Request(f"http://127.0.0.1:{zipkin}/api/v2/spans", json.dumps(spans).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()
    until("series and spans are seen", lambda: metlog.one("select count(*) from metrics") >= SERIES and metlog.one("select count(*) from spans") == SPANS)
    until("messages are seen", lambda: metlog.one("select count(*) from messages") == MESSAGES)


def attack(binary):
    zipkin, flight = free_port(), free_port()
    limit = MEMORY_MIB + QUERY_MIB * 2 + BEYOND_MIB
    extra = f'flight = "127.0.0.1:{flight}"\nmemory = "{QUERY_MIB}MiB"\ntime_max = "3s"\n'
    with attacked(binary, extra=extra, limit_mib=limit, listener=f'zipkin = "127.0.0.1:{zipkin}"\n') as metlog:
        fill(metlog, zipkin)
        before = metlog.ledger()["received"]
        sender, answers, faults, ended, flown = Sender(metlog.metlog), [], [], [], []

        def beside():
            while not ended:
                sender.send([b'{"type":"beside","payload":"' + b"x" * 100 + b'"}'] * 200, PER_SECOND)

        def asking(mine):
            for path, form in mine:
                try:
                    answers.append(told(metlog.http, path, form))
                except (OSError, AssertionError) as error:
                    faults.append(f"{path[:120]}: {type(error).__name__}: {error}")

        sending = in_background(beside)
        flying = in_background(lambda: flown.append(by_flight(flight, ended)))
        all_questions = list(questions())
        threads = [in_background(asking, all_questions[at::AT_ONCE]) for at in range(AT_ONCE)]
        for thread in threads:
            thread.join(300)
        ended.append(True)
        sending.join()
        flying.join(60)
        assert not faults, "\n".join(faults)
        assert not any(thread.is_alive() for thread in threads), "questions without an end"
        # The permits must be back.
        assert metlog.one("select 1") == 1
        ledger = accounted(metlog, before + sender.sent)
        assert ledger["dropped_by_kernel"] == 0 and ledger["dropped"] == 0, f"of {sender.sent}: {ledger}"
        return (f"{answers.count('refused')} refused, {answers.count('answered')} answered, "
                f"{'not asked' if flown[-1] is None else f'{len(flown[-1])} ended'} over Flight, "
                f"{sender.sent} messages beside them, {metlog.peak_mib()} MiB")


main(attack)
