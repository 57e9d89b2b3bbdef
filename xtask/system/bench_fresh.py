"""How long after a `send` SQL sees the message, while many others arrive: the time from the datagram to the first result that
has it.

    python3 bench_fresh.py BINARY [--per-second N] [--probes N]
"""
import argparse, http.client, json, os, pathlib, statistics, sys, threading, time
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from metlog_process import running, until
from wire import wire_datagram
import socket

# Messages of a datagram, as the client packs them.
PACKED = 12


def flood(port, per_second, ended, sent):
    """Numbered datagrams at a steady rate, by one sender."""
    messages = [("load", ["a", "b", "c"], "x" * 60, {})] * PACKED
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
        to.connect(("127.0.0.1", port))
        began, opened, sequence = time.monotonic(), int(time.time() * 1e6), 0
        while not ended:
            due = int((time.monotonic() - began) * per_second / PACKED)
            if sequence >= due:
                time.sleep(0.001)
            for sequence in range(sequence, due):
                to.send(wire_datagram(7, sequence, opened, 1, "bench", "load", messages))
            sequence = max(sequence, due)
            sent[0] = sequence * PACKED


class Asking:
    """One connection for all questions, as a notebook has it."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def count(self, probe):
        sql = f"select count(*) as n from messages where type = 'probe' and payload = '{probe}' and timestamp > now() - interval '1 minute'"
        self.connection.request("POST", "/api/sql", json.dumps({"query": sql}), {"Content-Type": "application/json"})
        return json.loads(self.connection.getresponse().read())[0]["n"]


def measure(binary, per_second, probes):
    with running(binary, roll="2s", parquet="") as metlog:
        asking, ended, sent, taken = Asking(metlog.http), [], [0], []
        asking.count("warm")
        thread = threading.Thread(target=flood, args=(metlog.metlog, per_second, ended, sent), daemon=True)
        thread.start()
        time.sleep(3)
        begun, before = time.monotonic(), sent[0]
        for probe in range(probes):
            begin = time.perf_counter()
            metlog.send(metlog.metlog, [json.dumps({"type": "probe", "payload": str(probe)})])
            while asking.count(probe) == 0:
                pass
            taken.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.02)
        rate = (sent[0] - before) / (time.monotonic() - begun)
        ended.append(True)
        thread.join()
        ledger = until("all is counted", lambda: (ledger := metlog.ledger())["received"] + ledger["dropped_by_kernel"] >= probes and ledger)
        taken.sort()
        print(f"| {rate:,.0f} | {statistics.median(taken):.1f} | {taken[int(len(taken) * 0.99) - 1]:.1f} | {taken[-1]:.1f} | {ledger['dropped_by_kernel']} | {ledger['lost']} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--per-second", type=int, nargs="*", default=[0, 10_000, 100_000])
    parser.add_argument("--probes", type=int, default=200)
    options = parser.parse_args()
    print("| messages a second beside | p50 ms | p99 ms | longest ms | dropped by the kernel | lost datagrams |\n|---|---|---|---|---|---|")
    for per_second in options.per_second:
        measure(options.binary, per_second, options.probes)


main()
