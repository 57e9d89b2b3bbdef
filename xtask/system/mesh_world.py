"""Made-up windows of a mesh as rows of `pings` and `probes` in a warehouse, and the shipped verdicts over them."""
import datetime, json, pathlib, random, re, subprocess, tomllib

import pyarrow as pa
import pyarrow.parquet as parquet

ROOT = pathlib.Path(__file__).parents[2]
REPORT = tomllib.loads((ROOT / "web/reports/mesh-verdicts.toml").read_text())
TIME = pa.timestamp("us", "UTC")
NAMES = ["source", "target", "source_zone", "target_zone", "source_rack", "target_rack", "kind"]
PINGS = pa.schema(
    [("timestamp", TIME), ("received_at", TIME)] + [(name, pa.string()) for name in NAMES]
    + [(name, pa.int64()) for name in ("payload_bytes", "sent", "received", "lost_forward", "lost_reverse", "lost_unknown", "timeouts",
                                       "syn_retransmits", "host_late", "rtt_count", "rtt_min", "rtt_max", "rtt_sum")]
    + [("sketch", pa.binary()), ("interval_seconds", pa.float64())]
    + [(name, pa.int64()) for name in ("source_port", "refused", "sequence")])
PROBES = pa.schema(
    [("timestamp", TIME), ("received_at", TIME)] + [(name, pa.string()) for name in NAMES]
    + [("payload_bytes", pa.int64()), ("source_port", pa.int64()), ("outcome", pa.string()), ("rtt", pa.int64()),
       ("syn_retransmits", pa.int64()), ("host_late", pa.bool_()), ("source_late", pa.int64()), ("target_late", pa.int64()),
       ("sequence", pa.int64()), ("number", pa.int64())])


def literal(value):
    if isinstance(value, datetime.datetime):
        return f"timestamp '{value:%Y-%m-%dT%H:%M:%SZ}'"
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+)([smh])", value)):
        return f"interval '{int(found[1]) * {'s': 1, 'm': 60, 'h': 3600}[found[2]]} seconds'"
    return repr(value)


def verdicts_sql(start, end, **values):
    """The shipped report's SQL with its parameters filled in."""
    values = {p["name"]: p["default"] for p in REPORT["parameters"]} | {"from": start, "to": end} | values
    return re.sub(r"(?<!:):([a-z_]+)", lambda found: literal(values[found[1]]), re.sub(r"--.*", "", REPORT["sql"]))


def places(zones=1, racks=4, nodes=4):
    return [(f"z{z}r{r}n{n}", f"z{z}", f"r{r}") for z in range(zones) for r in range(racks) for n in range(nodes)]


class Fault:
    """What is wrong, from the second window on, each as a function of window, source and target; nothing by default."""

    def __init__(self, silent=None, dead=None, loss=None, late=None, port=None, slower_us=None, skew=None):
        nothing = lambda *_: 0
        self.silent, self.dead, self.loss = silent or nothing, dead or nothing, loss or nothing
        self.late, self.port, self.slower_us, self.skew = late or nothing, port or nothing, slower_us or nothing, skew or nothing


def binomial(rng, n, p):
    return 0 if p <= 0 else n if p >= 1 else sum(rng.random() < p for _ in range(n))


def windows(nodes, count, fault, begin, seed=1, train=10, trains=6, background=1e-5):
    """Rows of `count` windows of a minute, in which each node sends each other a train every ten seconds."""
    rng, pings, probes = random.Random(seed), [], []
    for w in range(count):
        is_wrong = w >= 1
        for s in nodes:
            if is_wrong and fault.silent(w, s):
                continue
            for t in nodes:
                if s is t:
                    continue
                dead = is_wrong and (fault.dead(w, s, t) or fault.dead(w, t, s) or fault.silent(w, t))
                there = max(background, is_wrong and fault.loss(w, s, t))
                back = max(background, is_wrong and fault.loss(w, t, s))
                late_share = is_wrong and fault.late(w, s, t)
                slower = is_wrong and fault.slower_us(w, s, t)
                for i in range(trains):
                    at = begin + datetime.timedelta(minutes=w, seconds=10 * i + fault.skew(w, s, t))
                    port = 40_000 + (w * trains + i) % 20
                    names = (s[0], t[0], s[1], t[1], s[2], t[2], "udp")
                    if dead or is_wrong and fault.port(w, s, t, port):
                        forward, reverse, unknown = 0, 0, train
                        probes.append((at, at, *names, 64, port, "lost_unknown", None, 0, False, 0, 0, w * trains + i, 0))
                    else:
                        forward = binomial(rng, train, there)
                        reverse, unknown = binomial(rng, train - forward, back), 0
                        if forward + reverse == train:
                            forward, reverse, unknown = 0, 0, train
                    received = train - forward - reverse - unknown
                    late = binomial(rng, received, late_share)
                    good = received - late
                    rtt = 100 + rng.randrange(40) + slower
                    pings.append((at, at, *names, 64, train, received, forward, reverse, unknown, unknown, 0, late, good,
                                  rtt if good else None, rtt if good else None, rtt * good if good else None, None, 10.0, port, 0,
                                  w * trains + i))
    return pings, probes


def table(schema, rows):
    columns = zip(*rows) if rows else [[] for _ in schema]
    return pa.table([pa.array(column, field.type) for field, column in zip(schema, columns)], schema=schema)


def store(warehouse, name, begin, rows):
    """One hour of a table as an object."""
    folder = pathlib.Path(warehouse) / name / f"dt={begin:%Y-%m-%d}" / f"hour={begin:%H}"
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table({"pings": PINGS, "probes": PROBES}[name], rows), folder / "made_up-000000000001.parquet")


def ask(binary, warehouse, sql):
    command = [binary, "query", "--warehouse", pathlib.Path(warehouse).as_uri(), "--format", "json", sql]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
