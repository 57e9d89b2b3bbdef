"""One statsd stream on two roads: through the Graphite sink to carbon and graphite-web, and through Parquet to metlog's
own `/render`. The same questions have to have equal answers.

    python3 graphite_oracle.py BINARY       (with the packages graphite-web, carbon and whisper)

What differs on purpose is listed in docs/graphite.md and left out here by name: carbon's own `statsd` statistics.
"""
import json, math, os, pathlib, subprocess, sys, tempfile, time, urllib.error, urllib.parse, urllib.request
from graphite_web import GraphiteWeb
from metlog_process import free_port, run, running, until

SECONDS = 12
OWN = ("stats.counters.statsd.", "stats.statsd.")


class CarbonCache:
    """The real carbon, which writes whisper files."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.whisper = self.folder / "whisper"
        self.port, pickle, query = free_port(), free_port(), free_port()
        root = self.folder
        (root / "carbon.conf").write_text(
            f"[cache]\nSTORAGE_DIR = {root}\nLOCAL_DATA_DIR = {root}/whisper\nCONF_DIR = {root}\nLOG_DIR = {root}/log\nPID_DIR = {root}\n"
            "MAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = inf\nENABLE_TAGS = False\nTAG_HASH_FILENAMES = False\n"
            f"LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {self.port}\nPICKLE_RECEIVER_INTERFACE = 127.0.0.1\n"
            f"PICKLE_RECEIVER_PORT = {pickle}\nCACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {query}\n")
        (root / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 1s:1h\n")
        program = pathlib.Path(sys.executable).parent / "carbon-cache.py"
        log = open(root / "carbon.log", "wb")
        self.process = subprocess.Popen(
            [sys.executable, program, f"--config={root}/carbon.conf", "--nodaemon", "start"], cwd=root, stdout=log, stderr=log)

    def stop(self):
        """Writes what it holds."""
        self.process.terminate()
        self.process.wait(timeout=30)


def stream(second):
    """Lines of one second. What comes rarely shows what idle series are told."""
    lines = [f"web.hits:{second + 1}|c", "web.hits:2|c|@0.5", "web.requests:1|c|#server:a,env:prod", f"web.requests:{second}|c|#server:b,env:prod"]
    lines += [f"page.load:{(second * 37 + n * 13) % 400}|ms" for n in range(40)]
    lines += [f"page.sampled:{10 + n}|ms|@0.1" for n in range(second % 4)]
    lines += [f"api.time:{n * 1.5}|ms|#route:x" for n in range(second)]
    lines += [f"users:{second % 3}|s", f"users:{second}|s", f"queue depth:{(second * 7) % 20}|g"]
    if second % 5 == 0:
        lines += ["rare/event:1|c", "rare.gauge:42.5|g", "rare.timer:7|ms", "rare.set:x|s", "odd$name:1|c"]
    if second > 6:
        lines += ["late.counter:1|c"]
    return lines


QUESTIONS = """
stats.counters.web.hits.count|stats.counters.{web,late}.*.rate|stats.timers.page.*.*|stats.gauges.*|stats.gauges.*.*|stats.sets.*.count|stats.timers.rare.*.*
sumSeries(stats.counters.{web,late}.*.count)|groupByNode(stats.timers.page.*.mean,3,"max")|summarize(stats.counters.web.hits.count,"5s","sum")
aliasByNode(stats.timers.page.*.upper_90,3)|asPercent(stats.counters.{web,late}.*.count)|movingAverage(stats.timers.page.load.median,3)|keepLastValue(stats.timers.rare.timer.std)
perSecond(stats.timers.page.load.sum)|integral(stats.counters.web.hits.count)|divideSeries(stats.timers.page.load.sum,stats.timers.page.load.count)
transformNull(stats.timers.rare.timer.sum_squares_90)|hitcount(stats.counters.web.hits.rate,"4s")|timeShift(stats.counters.web.hits.count,"3s")|highestMax(stats.timers.*.*.upper,2)
currentAbove(stats.counters.{web,late}.*.count,1)|nPercentile(stats.timers.page.load.mean_90,50)|consolidateBy(stats.timers.page.load.upper,"max")
seriesByTag('env=prod')|aliasByTags(seriesByTag('name=stats.counters.web.requests.count'),'server')|groupByTags(seriesByTag('env=prod'),'sum','server')|seriesByTag('route=x','name=~.*_90')
"""


def ours(metlog, address, parameters):
    query = urllib.parse.urlencode(parameters, doseq=True)
    try:
        return json.loads(metlog.get(f"{address}?{query}"))
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{address} {parameters}: {error.code} {error.read()[:300]}") from None


def is_near(a, b):
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_near, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_near(a[key], b[key]) for key in a)
    return a == b


def same_answers(binary):
    with tempfile.TemporaryDirectory() as folder:
        carbon = CarbonCache(folder)
        try:
            with running(binary, carbon=carbon) as metlog:
                begin = int(time.time()) + 1
                for second in range(SECONDS):
                    time.sleep(max(0.0, begin + second + 0.3 - time.time()))
                    metlog.send(metlog.statsd, ["\n".join(stream(second))])
                # Idle windows at the end.
                time.sleep(3.5)
                now = int(time.time()) - 2
                until("carbon has the last window", lambda: is_sent(metlog))
                carbon.stop()
                return compared(folder, carbon, metlog, begin - 2, now)
        finally:
            if carbon.process.poll() is None:
                carbon.process.kill()


def is_sent(metlog):
    """The Graphite sink has had every window whose segment is sealed."""
    sinks = json.loads(metlog.get("/api/sinks"))["sinks"]
    return all(sink["segments_waiting"] == 0 for sink in sinks if sink["sink"] == "graphite")


def compared(folder, carbon, metlog, begin, now):
    web = GraphiteWeb(folder)
    from graphite.tags.utils import TaggedSeries
    files = [str(file.relative_to(carbon.whisper))[: -len(".wsp")] for file in carbon.whisper.rglob("*.wsp")]
    paths = sorted(TaggedSeries.decode(file, sep=os.sep) for file in files)
    paths = [path for path in paths if not path.startswith(OWN)]
    for path in paths:
        web.tag(path)
    names = [path for path in ours(metlog, "/metrics/index.json", {}) if not path.startswith(OWN)]
    assert names == paths, f"names differ: only ours {sorted(set(names) - set(paths))[:5]}, only carbon's {sorted(set(paths) - set(names))[:5]}"
    asked, values, wrong = 0, 0, []
    targets = paths + [target for line in QUESTIONS.strip().splitlines() for target in split(line)]
    for more in [{}, {"maxDataPoints": "4"}]:
        for target in targets:
            parameters = {"target": target, "from": begin, "until": now, "now": now, "format": "json", **more}
            status, theirs = web.get("/render", parameters.items())
            assert status == 200, (target, status, str(theirs)[:300])
            theirs = [series for series in theirs if not series["target"].startswith(OWN)]
            mine = ours(metlog, "/render", parameters)
            asked += 1
            values += sum(point[0] is not None for series in theirs for point in series["datapoints"])
            if not is_near(mine, theirs):
                wrong.append(f"{target} {more}\n    ours   {json.dumps(mine)[:1200]}\n    theirs {json.dumps(theirs)[:1200]}")
    assert not wrong, f"{len(wrong)} of {asked} differ:\n" + "\n".join(wrong[:8])
    for query in ["*", "stats.*", "stats.timers.page.*", "stats.timers.page.load.*_90", "stats.gauges.*", "stats.counters.{web,rare-event}*"]:
        of = lambda nodes: [node for node in nodes if node["text"] not in ("_tagged", "statsd")]
        theirs, mine = of(web.get("/metrics/find", [("query", query)])[1]), of(ours(metlog, "/metrics/find", {"query": query}))
        mine = [{key: node[key] for key in theirs[0]} for node in mine]
        assert mine == theirs, f"find {query}: ours {mine}, theirs {theirs}"
    assert values > 1500, values
    return f"{asked} questions about {len(paths)} names have equal answers, {values} values"


def split(line):
    import re
    return re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^|'\"])+", line)


def grafana(binary):
    """The requests of Grafana's source for Graphite, as its code makes them."""
    with running(binary) as metlog:
        metlog.send(metlog.statsd, ["a.b:1|c\nlogins:1|c|#env:prod"])
        metlog.send(metlog.metlog, [json.dumps({"type": "deploy", "payload": "version 3", "tokens": ["release"]})])
        until("the window is closed", lambda: metlog.sql("select name from metrics where name = 'a.b'"))
        post = lambda path, form: json.loads(urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{metlog.http}{path}", urllib.parse.urlencode(form).encode())).read())
        test = post("/render", [("target", "constantLine(100)"), ("from", int(time.time()) - 300), ("until", int(time.time())),
                                ("format", "json"), ("maxDataPoints", 100)])
        assert len(test) == 1 and test[0]["datapoints"][0][0] == 100, test
        found = post("/metrics/find", [("query", "stats.counters.*")])
        assert [node["text"] for node in found] == ["a"], found
        assert post("/metrics/expand", [("query", "stats.counters.*.*")])["results"] == ["stats.counters.a.b"]
        assert "summarize" in json.loads(metlog.get("/functions")) and json.loads(metlog.get("/version")).startswith("1.1")
        assert json.loads(metlog.get("/tags/autoComplete/values?tag=env")) == ["prod"]
        events = json.loads(metlog.get("/events/get_data?from=-1h&until=%2B1min&tags=release"))
        assert [(event["what"], event["tags"]) for event in events] == [("version 3", ["release"])], events
        panel = post("/render/", [("target", "sumSeries(stats.counters.a.*.count)"), ("from", "-10min"), ("until", "now"), ("format", "json")])
        assert any(value == 1 for value, _ in panel[0]["datapoints"]), panel
        try:
            post("/render", [("target", "noSuch(a.b)"), ("format", "json")])
            raise AssertionError("an unknown function must be an error")
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            assert error.code == 400 and "noSuch" in text and "sumSeries" in text, (error.code, text)
        return "save and test, find, expand, functions, tags, events, a panel and an unknown function"


if __name__ == "__main__":
    run([same_answers, grafana], sys.argv[1])
