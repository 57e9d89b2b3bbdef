"""Queries that once ended the process or took gigabytes: deep types, values that grow without operators, cubes while
planning. Each must end with an error or a result in time, beside an intake that loses nothing and memory that is bounded."""
import json, pathlib, sys, time, urllib.error, urllib.request
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import BEYOND_MIB, MEMORY_MIB, Sender, accounted, attacked, in_background, main

QUERY_MIB, SECONDS_MAX, PER_SECOND = 256, 60, 2_000
LARGE = "(select array_agg(value) as a from generate_series(1, 1000000) as t(value))"
QUERIES = {
    "a type of 920 levels": "select arrow_cast(null, '" + "List(" * 920 + "Int64" + ")" * 920 + "')",
    "parentheses": "select " + "(" * 5_000 + "1" + ")" * 5_000,
    "a sum of 20,000": "select " + "+".join(["1"] * 20_000),
    "large lists": f"select count(a) from {LARGE} cross join generate_series(1, 8192)",
    "unnested lists": f"select count(*) from (select unnest(a) as u from {LARGE} cross join generate_series(1, 8192))",
    "a text of all": "select length(string_agg(x, '')) from (select repeat('x', 1000000) as x from generate_series(1, 8192))",
    "texts put together": "select sum(length(x || x || x || x)) from (select repeat('x', 1000000) as x from generate_series(1, 8192))",
    "replaced lists": f"select count(array_replace_all(a, 1, 2)) from {LARGE} cross join generate_series(1, 8192)",
    "a cube of 30": "select " + ", ".join(f"c{n}" for n in range(30)) + ", count(*) from (select "
                    + ", ".join(f"1 as c{n}" for n in range(30)) + ") group by cube (" + ", ".join(f"c{n}" for n in range(30)) + ")",
    "lists that share": f"select count(array_has_any(a, a)) from {LARGE} cross join generate_series(1, 8192)",
    "a slow pattern": "select count(regexp_replace(repeat('a', 1000000), '(a*)*b', 'x', 'g')) from generate_series(1, 1000)",
}


def answer(metlog, query):
    """What came of it, in a word; it raises where nothing came in time or the connection broke."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{metlog.http}/api/sql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
            answer.read()
            return "answered"
    except urllib.error.HTTPError as error:
        assert "error" in json.loads(error.read()), "an error without words"
        return "refused"


def attack(binary):
    limit = MEMORY_MIB + QUERY_MIB + BEYOND_MIB
    extra = f'memory = "{QUERY_MIB}MiB"\ntime_max = "10s"\n'
    with attacked(binary, extra=extra, limit_mib=limit) as metlog:
        sender, told, ended = Sender(metlog.metlog), [], []

        def beside():
            while not ended:
                sender.send([b'{"type":"beside"}'] * 200, PER_SECOND)

        thread = in_background(beside)
        for name, query in QUERIES.items():
            try:
                told.append(answer(metlog, query))
            except (OSError, AssertionError) as error:
                raise AssertionError(f"{name}: {type(error).__name__}: {error}") from None
            assert metlog.process.poll() is None, f"{name} ended the process"
        # The permits must be back.
        assert metlog.one("select 1") == 1
        ended.append(True)
        thread.join()
        ledger = accounted(metlog, sender.sent)
        assert ledger["dropped_by_kernel"] == 0, f"{ledger['dropped_by_kernel']} of {sender.sent} dropped by the kernel"
        return f"{told.count('refused')} refused, {told.count('answered')} answered, {metlog.peak_mib()} MiB"


main(attack)
