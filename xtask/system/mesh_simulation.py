"""A mesh of 10,000 nodes with the real plan and the real verdicts, and no sockets.

Usage: mesh_simulation.py PLAN [NODES [ZONES]] [--write FILE]   PLAN: the built example `plan` of the crate metlog-mesh

The verdicts' SQL runs in DataFusion itself, of the version that metlog has: a query of metlog may use 256 MB, and a window of 10,000
nodes needs more. Chances of false alarms are those of binomial losses over the real plan, for everything that a verdict can name.
"""
import datetime, math, pathlib, resource, subprocess, sys, time

import datafusion, numpy as np, pyarrow as pa

from mesh_world import PINGS, PROBES, verdicts_sql

RACKS, TRAIN, INTERVAL, WINDOW, GRACE = 10, 10, 10, 60, 30
BACKGROUND = 1e-5
BEGIN = datetime.datetime(2026, 3, 4, 5, tzinfo=datetime.timezone.utc)


def tail(n, p, k):
    """The chance of k or more losses of n."""
    mean = n * p
    below = sum(math.exp(-mean + i * math.log(mean) - math.lgamma(i + 1)) for i in range(k)) if mean > 0 else 1.0
    if 1 - below > 1e-9:
        return 1 - below
    return math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) * 1.5


class Mesh:
    def __init__(self, plan, nodes, zones):
        began = time.monotonic()
        listed = subprocess.run([plan, str(nodes), str(zones)], capture_output=True, check=True).stdout
        self.edges = np.array(listed.split(), dtype=np.int32).reshape(-1, 2)
        self.seconds, self.nodes, self.zones = time.monotonic() - began, nodes, zones
        self.zone, self.rack = np.arange(nodes) % zones, (np.arange(nodes) // zones) % RACKS

    def window(self, rng, loss):
        """One window's rows, one for each pair; `loss` is the chance of a loss for each edge."""
        source, target = self.edges[:, 0], self.edges[:, 1]
        sent = np.full(len(source), TRAIN * WINDOW // INTERVAL, dtype=np.int64)
        forward = rng.binomial(sent, loss)
        back = np.zeros_like(loss)
        order = np.lexsort((source, target))  # the edge the other way round, since each is there both ways
        back[np.lexsort((target, source))] = loss[order]
        reverse = rng.binomial(sent - forward, back)
        texts = lambda prefix, values: pa.DictionaryArray.from_arrays(
            pa.array(values.astype(np.int32)), pa.array([f"{prefix}{n}" for n in range(values.max() + 1)])).cast(pa.string())
        at = pa.array([BEGIN], PINGS.field(0).type)[0]
        count, zero = len(source), pa.array(np.zeros(len(source), dtype=np.int64))
        columns = {
            "source": texts("n", source), "target": texts("n", target), "source_zone": texts("z", self.zone[source]),
            "target_zone": texts("z", self.zone[target]), "source_rack": texts("r", self.rack[source]), "target_rack": texts("r", self.rack[target]),
            "sent": pa.array(sent), "lost_forward": pa.array(forward), "lost_reverse": pa.array(reverse), "lost_unknown": zero, "refused": zero,
            "host_late": zero, "rtt_sum": pa.array((sent - forward - reverse) * 120), "rtt_count": pa.array(sent - forward - reverse),
        }
        repeated = pa.array(np.full(count, int(BEGIN.timestamp() * 1e6)), pa.int64()).cast(PINGS.field(0).type)
        return pa.table({"timestamp": repeated} | columns), at

    def verdicts(self, rng, loss):
        context = datafusion.SessionContext()
        table, _ = self.window(rng, loss)
        context.register_record_batches("pings", [table.to_batches(max_chunksize=65_536)])
        context.register_record_batches("probes", [pa.Table.from_pylist([], schema=PROBES).to_batches() or [pa.RecordBatch.from_pylist([], schema=PROBES)]])
        sql = verdicts_sql(BEGIN, BEGIN + datetime.timedelta(seconds=WINDOW + GRACE)).replace("time_bucket(", "date_bin(")
        began = time.monotonic()
        rows = context.sql(sql).to_pylist()
        return sorted((row["verdict"], row["subject"]) for row in rows), time.monotonic() - began

    def false_alarms(self):
        """False alarms a day, at most: each thing alone, whatever its losses are spread over."""
        per_pair = TRAIN * WINDOW // INTERVAL
        degree = np.bincount(self.edges[:, 0], minlength=self.nodes)
        source, target = self.edges[:, 0], self.edges[:, 1]
        is_between = self.zone[source] != self.zone[target]
        leaves = is_between | (self.rack[source] != self.rack[target])
        places = np.bincount(self.zone[source[leaves]] * RACKS + self.rack[source[leaves]])
        zones = np.bincount(self.zone[source[is_between]])
        within = np.bincount(self.zone[source[leaves & ~is_between]])
        chance = 0.0
        for edges, sides, least_share in ((degree, 2, 0.0005), (places, 2, 0.0005), (zones, 2, 0.0005), (within, 1, 0.0005), (np.array([is_between.sum()]), 1, 0.0005)):
            for count, times in zip(*np.unique(edges[edges > 0], return_counts=True)):
                sent = 2 * count * per_pair  # an edge is probed from both ends
                chance += times * sides * tail(sent, BACKGROUND, max(5, math.ceil(least_share * sent)))
        chance += len(self.edges) * tail(2 * per_pair, BACKGROUND, 5)
        return chance * 86_400 / WINDOW


def main():
    arguments = sys.argv[1:]
    write = arguments[arguments.index("--write") + 1] if "--write" in arguments else None
    arguments = [word for word in arguments if word not in ("--write", write)]
    nodes, zones = int(arguments[1]) if len(arguments) > 1 else 10_000, int(arguments[2]) if len(arguments) > 2 else 50
    mesh, rng = Mesh(arguments[0], nodes, zones), np.random.default_rng(1)
    pairs, degree = len(mesh.edges), np.bincount(mesh.edges[:, 0], minlength=nodes)
    source, target = mesh.edges[:, 0], mesh.edges[:, 1]
    calm = np.full(pairs, BACKGROUND)
    quiet, quiet_seconds = mesh.verdicts(rng, calm)
    faulty = calm.copy()
    leaves_rack = (mesh.zone[source] != mesh.zone[target]) | (mesh.rack[source] != mesh.rack[target])
    faulty[(mesh.zone[source] == 3) & (mesh.rack[source] == 4) & leaves_rack] = 0.01
    faulty[source == 57] = 0.02
    faulty[target == 109] = 0.02
    named, seconds = mesh.verdicts(rng, faulty)
    expected = sorted([("up_side", "z3/r4"), ("up_side", "n57"), ("down_side", "n109")])
    lines = [
        ("nodes, zones, racks", f"{nodes:,}, {zones}, {zones * RACKS}"),
        ("pairs, each in one direction", f"{pairs:,}"),
        ("peers of a node: least, mean, most", f"{degree.min()}, {degree.mean():.0f}, {degree.max()}"),
        ("plan of all nodes", f"{mesh.seconds:.1f} s"),
        ("UDP probes a second a node, at the default interval", f"{degree.mean() * TRAIN / INTERVAL:.0f}"),
        ("rows a day, for one kind of probe", f"{pairs * 86_400 / INTERVAL:.2e}"),
        ("time to a verdict", f"{GRACE} to {WINDOW + GRACE} s after the first window that the fault fills"),
        ("verdicts of a window without a fault, loss of 1e-5", ", ".join(map(str, quiet)) or "none"),
        ("verdicts of a window with three faults", ", ".join(f"{verdict} {subject}" for verdict, subject in named)),
        ("one window's verdicts took", f"{quiet_seconds:.1f} s, {seconds:.1f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB"),
        ("false alarms a day at a loss of 1e-5, at most", f"{mesh.false_alarms():.2g}"),
    ]
    text = "| | |\n|---|---|\n" + "\n".join(f"| {what} | {value} |" for what, value in lines) + "\n"
    print(text)
    if write:
        pathlib.Path(write).write_text(text)
    assert quiet == [] and named == expected, f"expected {expected}, found {named}"


main()
