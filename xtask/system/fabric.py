"""The mesh on a fabric of network namespaces: four racks of four nodes, two spines, equal-cost paths; faults by nftables.

Usage: fabric.py BINARY [--write FILE] [--short | CASE…]   needs root, iproute2 and nftables

Each case makes one fault, waits for two closed windows that it fills, and takes it back. The verdict must name the thing and no
other may appear; losses that the agents counted in the same time must have the direction that the firewall's counters say.
"""
import contextlib, json, os, pathlib, signal, subprocess, sys, threading, time
from datetime import datetime, timedelta, timezone

from mesh_world import verdicts_sql
from metlog_process import running, until

RACKS, NODES, SPINES = 4, 4, 2
WINDOW, GRACE = 12, 6
PORT, FIRST_PORT, PORTS = 5570, 40_000, 16
PREFIX = f"mf{os.getpid() % 10_000}"
MANAGEMENT = "198.18.77"


def sh(command, check=True):
    done = subprocess.run(command.split() if isinstance(command, str) else command, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{command}: {done.stderr.strip()}"
    return done.stdout


def inside(name, command):
    return sh(f"ip netns exec {PREFIX}{name} {command}")


class Node:
    def __init__(self, rack, number):
        self.rack, self.number, self.name = rack, number, f"r{rack}n{number}"
        self.address, self.port = f"10.77.{rack}.{10 + number}", f"p{number}"
        self.management = f"{MANAGEMENT}.{10 + rack * NODES + number}"


class Fabric:
    """Racks are networks of their own behind a router, and each router has a way over each spine."""

    def __init__(self):
        self.nodes = [Node(rack, number) for rack in range(RACKS) for number in range(NODES)]
        self.names = [node.name for node in self.nodes] + [f"tor{r}" for r in range(RACKS)] + [f"spine{s}" for s in range(SPINES)]
        self.bridge = f"{PREFIX}b"

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        for name in self.names:
            sh(f"ip netns add {PREFIX}{name}")
            inside(name, "ip link set lo up")
        sh(f"ip link add {self.bridge} type bridge")
        sh(f"ip addr add {MANAGEMENT}.1/24 dev {self.bridge}")
        sh(f"ip link set {self.bridge} up")
        for r in range(RACKS):
            self.router(f"tor{r}")
            inside(f"tor{r}", "ip link add br0 type bridge")
            inside(f"tor{r}", "ip link set br0 up")
            inside(f"tor{r}", f"ip addr add 10.77.{r}.1/24 dev br0")
        for s in range(SPINES):
            self.router(f"spine{s}")
        for node in self.nodes:
            self.wire(node.name, "eth0", f"tor{node.rack}", node.port)
            inside(f"tor{node.rack}", f"ip link set {node.port} master br0")
            inside(node.name, f"ip addr add {node.address}/24 dev eth0")
            inside(node.name, f"ip route add 10.77.0.0/16 via 10.77.{node.rack}.1")
            at = f"{PREFIX}m{node.name}"
            sh(f"ip link add {at} type veth peer name mgmt netns {PREFIX}{node.name}")
            sh(f"ip link set {at} master {self.bridge} up")
            inside(node.name, f"ip addr add {node.management}/24 dev mgmt")
            inside(node.name, "ip link set mgmt up")
        for r in range(RACKS):
            for s in range(SPINES):
                self.wire(f"tor{r}", f"up{s}", f"spine{s}", f"down{r}")
                inside(f"tor{r}", f"ip addr add 172.31.{s}.{4 * r + 1}/30 dev up{s}")
                inside(f"spine{s}", f"ip addr add 172.31.{s}.{4 * r + 2}/30 dev down{r}")
                inside(f"spine{s}", f"ip route add 10.77.{r}.0/24 via 172.31.{s}.{4 * r + 1}")
        for r in range(RACKS):
            ways = " ".join(f"nexthop via 172.31.{s}.{4 * r + 2}" for s in range(SPINES))
            for other in range(RACKS):
                if other != r:
                    inside(f"tor{r}", f"ip route add 10.77.{other}.0/24 {ways}")

    def router(self, name):
        inside(name, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.fib_multipath_hash_policy=1")

    def wire(self, one, one_end, other, other_end):
        inside(one, f"ip link add {one_end} type veth peer name {other_end} netns {PREFIX}{other}")
        inside(one, f"ip link set {one_end} up")
        inside(other, f"ip link set {other_end} up")

    def __exit__(self, *_):
        for name in self.names:
            sh(f"ip netns del {PREFIX}{name}", check=False)
        sh(f"ip link del {self.bridge}", check=False)

    def drop(self, name, devices, match):
        """What comes in there and matches is dropped and counted."""
        kinds = "" if "sport" in match else "ip protocol { tcp, udp } "
        rules = "".join(
            f'chain c{i} {{ type filter hook ingress device "{device}" priority 0; {kinds}{match} counter drop; }}\n'
            for i, device in enumerate(devices))
        subprocess.run(["ip", "netns", "exec", PREFIX + name, "nft", "-f", "-"], input=f"table netdev fault {{ {rules} }}", text=True, check=True)

    def undo(self, name):
        """How many packets it had dropped."""
        listed = json.loads(sh(f"ip netns exec {PREFIX}{name} nft -j list table netdev fault"))
        inside(name, "nft delete table netdev fault")
        rules = [item["rule"]["expr"] for item in listed["nftables"] if "rule" in item]
        return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


class Agents:
    def __init__(self, binary, folder, fabric, listener):
        self.binary, self.folder, self.processes = binary, pathlib.Path(folder), {}
        peers = ", ".join(f'"{n.name}@dc/rack{n.rack}={n.address}:{PORT}"' for n in fabric.nodes)
        for node in fabric.nodes:
            (self.folder / f"{node.name}.toml").write_text(
                f'data = "{folder}/{node.name}"\n[mesh]\nname = "{node.name}"\nzone = "dc"\nrack = "rack{node.rack}"\n'
                f'listen = "{node.address}:{PORT}"\ndiscovery = "static"\npeers = [{peers}]\nto = "{MANAGEMENT}.1:{listener}"\n'
                f'interval = "4s"\nkinds = ["udp", "tcp"]\ntrain = 10\ntimeout = "1s"\nsource_ports = {PORTS}\nfirst_source_port = {FIRST_PORT}\n')

    def start(self, node):
        with open(self.folder / f"{node.name}.log", "ab") as log:
            # Before others, so that other work of this machine is not taken for busy hosts.
            command = ["ip", "netns", "exec", PREFIX + node.name, "nice", "-n", "-15", self.binary, "mesh", "--config", str(self.folder / f"{node.name}.toml")]
            self.processes[node.name] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, node):
        process = self.processes.pop(node.name)
        process.kill()
        process.wait()

    def stop(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def log(self):
        return "".join(file.read_text(errors="replace")[-400:] for file in sorted(self.folder.glob("r0n*.log")))


def share(loss):
    return f"numgen random mod 10000 < {int(loss * 10_000)}"


def fault(*places):
    """A fault of the firewall: (namespace, devices, match), several at once."""
    @contextlib.contextmanager
    def made(fabric, _, truth):
        for name, devices, match in places:
            fabric.drop(name, devices, match)
        yield
        truth["dropped"] = sum(fabric.undo(name) for name, _, _ in places)
    return made


@contextlib.contextmanager
def nothing(*_):
    yield


@contextlib.contextmanager
def killed(fabric, agents, _):
    agents.kill(fabric.nodes[6])
    yield
    agents.start(fabric.nodes[6])


@contextlib.contextmanager
def starved(fabric, agents, _):
    """A process that is stopped 200 ms of 300: what a host does whose CPU is taken."""
    process, over = agents.processes[fabric.nodes[6].name], threading.Event()

    def starve():
        while not over.is_set():
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
    thread = threading.Thread(target=starve)
    thread.start()
    yield
    over.set()
    thread.join()


UPS = [f"up{s}" for s in range(SPINES)]
X, Y = "10.77.1.12", "10.77.3.10"
ALL_SPINES = lambda devices, match: [(f"spine{s}", devices, match) for s in range(SPINES)]

# Name: fault, verdicts that there must be, and in which direction the losses are ("lost_forward" and "lost_reverse" seen from the node or
# rack, or None where whole trains are lost or nothing is).
CASES = {
    "nothing": (nothing, []),
    "loss of 20 % on the way from a node": (fault(("tor1", ["p2"], share(0.2))), [("up_side", "r1n2")]),
    "loss of 5 % on the way to a node": (fault(("r1n2", ["eth0"], share(0.05))), [("down_side", "r1n2")]),
    "loss of 2 % on the way from a rack": (fault(*ALL_SPINES(["down1"], share(0.02))), [("up_side", "dc/rack1")]),
    "loss of 10 % on the way to a rack": (fault(("tor1", UPS, share(0.1))), [("down_side", "dc/rack1")]),
    "a black-holed pair": (fault(("tor1", ["p2"], f"ip saddr {X} ip daddr {Y}")), [("black_hole", "r1n2 - r3n0")]),
    "a black-holed 5-tuple": (
        fault(("tor1", ["p2"], f"ip saddr {X} ip daddr {Y} udp sport {{ {', '.join(str(FIRST_PORT + n) for n in range(0, PORTS, 4))} }}")),
        [("black_hole_tuple", "r1n2 - r3n0")]),
    "a lossy spine, 5 %": (fault(("spine0", [f"down{r}" for r in range(RACKS)], share(0.05))), [("spine", "spine of dc")]),
    "a dead spine": (fault(("spine0", [f"down{r}" for r in range(RACKS)], "")), [("spine", "spine of dc")]),
    "a rack cut off": (fault(("tor1", UPS, ""), *ALL_SPINES(["down1"], "")), [("cut_off", "dc/rack1")]),
    "the link of a node is down": (fault(("tor1", ["p2"], ""), ("r1n2", ["eth0"], "")), [("link_down", "r1n2")]),
    "a node killed": (killed, [("host", "r1n2")]),
    "a host with its CPU taken": (starved, [("host", "r1n2")]),
}
SHORT = ["loss of 10 % on the way to a rack"]


def pause_until(moment):
    time.sleep(max(0, (moment - datetime.now(timezone.utc)).total_seconds()))


def next_window():
    now = datetime.now(timezone.utc).timestamp()
    return datetime.fromtimestamp((now // WINDOW + 1) * WINDOW, timezone.utc)


def run_case(name, fabric, agents, metlog):
    make, expected = CASES[name]
    truth, begin = {}, next_window()
    # Probes of the window before are over when the fault begins.
    pause_until(begin)
    with make(fabric, agents, truth):
        pause_until(begin + timedelta(seconds=2 * WINDOW + 1))
    pause_until(begin + timedelta(seconds=2 * WINDOW + GRACE + 3))
    end = begin + timedelta(seconds=2 * WINDOW + GRACE)
    found = metlog.sql(verdicts_sql(begin, end, window=f"{WINDOW}s", grace=f"{GRACE}s"))
    named = sorted({(row["verdict"], row["subject"]) for row in found})
    moment = lambda at: f"timestamp '{at:%Y-%m-%dT%H:%M:%SZ}'"
    counted = metlog.sql(
        "select coalesce(sum(sent), 0) as sent, coalesce(sum(lost_forward), 0) as forward, coalesce(sum(lost_reverse), 0) as reverse, coalesce(sum(lost_unknown + refused), 0) as unknown, "
        f"coalesce(sum(host_late), 0) as late from pings where timestamp >= {moment(begin)} and timestamp < {moment(begin + timedelta(seconds=2 * WINDOW))}")[0]
    return named == sorted(expected), named, counted, truth, found


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes down what was built
    arguments = sys.argv[1:]
    binary = os.path.abspath(arguments.pop(0))
    write = arguments[arguments.index("--write") + 1] if "--write" in arguments else None
    arguments = [word for word in arguments if word not in ("--write", write)]
    names = SHORT if "--short" in arguments else arguments or list(CASES)
    failed, table = 0, []
    with Fabric() as fabric, running(binary, roll="60s", extra="", bind=f"{MANAGEMENT}.1") as metlog:
        folder = metlog.folder / "agents"
        folder.mkdir()
        agents = Agents(binary, folder, fabric, metlog.metlog)
        try:
            for node in fabric.nodes:
                agents.start(node)
            pairs = len(fabric.nodes) * (len(fabric.nodes) - 1)
            until("each node probes each other: " + agents.log(),
                  lambda: metlog.one("select count(distinct source || ' ' || target) as n from pings where received > 0") == pairs, 60)
            for name in names:
                is_right, named, counted, truth, found = run_case(name, fabric, agents, metlog)
                failed += not is_right
                words = ", ".join(f"{verdict} {subject}" for verdict, subject in named) or "none"
                print(f"{'pass' if is_right else 'FAIL'}  fabric: {name}: {words}; {counted}; dropped by the firewall: {truth.get('dropped', 0)}", flush=True)
                if not is_right:
                    print(f"      expected {CASES[name][1]}; {found}")
                table.append(f"| {name} | {words} | {counted['sent']:,} | {truth.get('dropped', 0):,} | {counted['forward']:,} | {counted['reverse']:,} | {counted['unknown']:,} | {counted['late']:,} |")
                time.sleep(WINDOW / 2)
        finally:
            agents.stop()
    if write:
        head = "| fault | verdicts | probes | packets dropped | lost there | lost back | direction unknown | late |\n|---|---|---|---|---|---|---|---|\n"
        pathlib.Path(write).write_text(head + "\n".join(table) + "\n")
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
