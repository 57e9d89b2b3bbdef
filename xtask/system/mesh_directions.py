"""Two agents in two network namespaces, and a firewall that drops what it is told to: each loss has the right direction.

The firewall's counters are the truth. SYNs dropped are `lost_forward`, SYN-ACKs dropped `lost_reverse`, and so it is with the
datagrams of trains. Then an agent is killed: its silence is results. Needs root, `ip` and `nft`.
usage: mesh_directions.py METLOG
"""
import json, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, time

BINARY = sys.argv[1]
A, B = f"mla{os.getpid()}", f"mlb{os.getpid()}"
NODES = 20  # names of the one agent in B: so many pairs
ADDRESS = {A: "10.213.0.1", B: "10.213.0.2"}


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def within(namespace, *command, check=True):
    return run("ip", "netns", "exec", namespace, *command, check=check)


def need():
    if os.geteuid() != 0:
        sys.exit("mesh_directions: network namespaces need root: run `sudo cargo xtask test`")
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if not shutil.which(program):
            sys.exit(f"mesh_directions: {program} is missing: `apt-get install {package}`")


def network():
    for namespace in (A, B):
        run("ip", "netns", "add", namespace)
        within(namespace, "ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "v", "netns", A, "type", "veth", "peer", "name", "v", "netns", B)
    for namespace in (A, B):
        within(namespace, "ip", "address", "add", f"{ADDRESS[namespace]}/24", "dev", "v")
        within(namespace, "ip", "link", "set", "v", "up")


class Drop:
    """A rule that drops what comes and matches, for as long as it is in the `with`; then `dropped` says how much.

    Where it comes, not where it leaves: a kernel whose own firewall drops what it sends is told so, and begins anew.
    """

    def __init__(self, namespace, match):
        self.namespace, self.match, self.dropped = namespace, match, None

    def __enter__(self):
        rules = f"table inet t {{ chain c {{ type filter hook input priority 0; {self.match} counter drop; }}; }}"
        within(self.namespace, "nft", rules)
        return self

    def __exit__(self, *_):
        self.dropped = int(re.search(r"counter packets (\d+)", within(self.namespace, "nft", "list", "table", "inet", "t")).group(1))
        within(self.namespace, "nft", "delete", "table", "inet", "t")


def sums():
    sql = """select kind, sum(sent) as sent, sum(received) as received, sum(lost_forward) as forward, sum(lost_reverse) as reverse,
        sum(lost_unknown) as "unknown", sum(timeouts) as timeouts, sum(syn_retransmits) as retransmits, sum(refused) as refused,
        sum(case when syn_retransmits > 0 then 1 else 0 end) as slow, sum(rtt_count) as rtts
        from pings where source = 'a' group by kind"""
    rows = json.loads(within(A, BINARY, "query", "--format", "json", sql) or "[]")
    return {row.pop("kind"): row for row in rows}


def during(work, seconds):
    """What came to the sums while `work` was in force, and the rounds that began in it ended."""
    before = sums()
    with work as drop:
        time.sleep(seconds)
    time.sleep(5)
    after = sums()
    return drop.dropped, {kind: {name: n - before[kind][name] for name, n in row.items()} for kind, row in after.items()}


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (found := condition()):
            return found
        time.sleep(0.2)
    raise SystemExit(f"mesh_directions: {what} did not come")


def expect(is_right, what, *shown):
    if not is_right:
        raise SystemExit(f"mesh_directions: {what}: {shown}")


def ways(tcp, way, other):
    """A connection that lost each of its SYNs until its time was over had no answer that tells the direction: there are few."""
    known = tcp[way] + tcp["timeouts"] == tcp["slow"] > 0 and tcp[other] == 0
    return known and tcp["unknown"] == tcp["timeouts"] <= 3


def losses():
    syn = "tcp dport 5570 tcp flags & (syn | ack) == syn numgen inc mod 4 == 0"
    dropped, found = during(Drop(B, syn), 4)
    tcp = found["tcp"]
    expect(dropped > 5 and ways(tcp, "forward", "reverse"), "SYNs dropped", dropped, tcp)
    expect(tcp["retransmits"] + tcp["timeouts"] == dropped, "each SYN that was dropped was sent again, while there was time", dropped, tcp)
    print(f"  SYN        {dropped:5} dropped: {tcp['forward']} connections lost forward, {tcp['retransmits']} SYNs sent again")

    syn_ack = "tcp sport 5570 tcp flags & (syn | ack) == (syn | ack) numgen inc mod 4 == 0"
    dropped, found = during(Drop(A, syn_ack), 4)
    tcp = found["tcp"]
    expect(dropped > 5 and ways(tcp, "reverse", "forward"), "SYN-ACKs dropped", dropped, tcp)
    print(f"  SYN-ACK    {dropped:5} dropped: {tcp['reverse']} connections lost in reverse")

    # The kind of a datagram is its fifth byte: 1 a probe, 2 a reply.
    for kind, at, way, other, port in ((1, B, "forward", "reverse", "dport"), (2, A, "reverse", "forward", "sport")):
        dropped, found = during(Drop(at, f"udp {port} 5570 @th,96,8 {kind} numgen inc mod 7 == 0"), 4)
        udp = found["udp"]
        expect(dropped > 50 and udp[way] == dropped and udp[other] == udp["unknown"] == 0, "datagrams dropped", dropped, udp)
        expect(udp["sent"] == udp["received"] + udp[way] and udp["timeouts"] == dropped, "every probe is in the sums", udp)
        print(f"  {'probe' if kind == 1 else 'reply':10} {dropped:5} dropped: {udp[way]} lost {way}")


def main(folder):
    peers = [f"b{n}@zb/r1={ADDRESS[B]}:5570" for n in range(NODES)]
    mesh = 'zone = "za"\nlisten = "{}:5570"\ndiscovery = "static"\ninterval = "1s"\npeers = {}\n'
    (folder / "a.toml").write_text(f'data = "{folder}/data"\n[mesh]\nname = "a"\n' + mesh.format(ADDRESS[A], json.dumps(peers)))
    text = f'[mesh]\nname = "b"\nto = "127.0.0.1:1"\n' + mesh.format(ADDRESS[B], json.dumps([f"a={ADDRESS[A]}:5570"]))
    (folder / "b.toml").write_text(text)
    log = open(folder / "log", "w")
    start = lambda namespace, *command: subprocess.Popen(["ip", "netns", "exec", namespace, BINARY, *command], stdout=log, stderr=log)
    up, other = start(A, "up", "--config", folder / "a.toml"), start(B, "mesh", "--config", folder / "b.toml")
    try:
        wait_for(lambda: "metlog is up" in (folder / "log").read_text(), "the listener")
        wait_for(lambda: sums().get("tcp", {}).get("received", 0) > NODES, "the first results")
        time.sleep(1)
        losses()
        other.kill()
        other.wait()
        before = sums()
        gone = wait_for(lambda: (s := sums()) and s["udp"]["timeouts"] >= before["udp"]["timeouts"] + 10 * NODES and s, "timeouts of a node that was killed")
        expect(gone["tcp"]["refused"] > before["tcp"]["refused"], "connections to it are refused", gone)
        ledger = json.loads(within(A, BINARY, "status", "--json"))["ledger"]
        whole = sum(ledger[part] for part in ("rejected", "dropped", "stored", "set_aside", "held"))
        expect(ledger["received"] == whole and ledger["rejected"] == ledger["lost"] == ledger["dropped_by_clients"] == 0, "the ledger balances", ledger)
        rows = json.loads(within(A, BINARY, "query", "--format", "json", "select (select count(*) from pings) + (select count(*) from probes) as n"))
        print(f"  an agent killed: {gone['udp']['timeouts']} timeouts; {rows[0]['n']} rows, {ledger['received']} messages received")
        up.send_signal(signal.SIGTERM)
        expect(up.wait(60) == 0, "the listener ends well")
    except BaseException:
        log.flush()
        print((folder / "log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        for process in (up, other):
            if process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    need()
    with tempfile.TemporaryDirectory() as folder:
        try:
            network()
            main(pathlib.Path(folder))
        finally:
            for namespace in (A, B):
                run("ip", "netns", "delete", namespace, check=False)
