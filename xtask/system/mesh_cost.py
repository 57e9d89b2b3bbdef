"""What an agent costs: memory, and CPU for each probe, of the one that probes and of the one that responds.

usage: mesh_cost.py METLOG [SECONDS]
"""
import json, os, pathlib, socket, subprocess, sys, tempfile, time

from metlog_process import free_port

BINARY, SECONDS = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
NODES, TRAIN = 100, 10  # 1,000 datagrams and 100 connections a second
MEMORY_MB_MAX, CPU_MICROS_MAX = 20, 10
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid):
    """Anonymous memory, MB: the program itself is shared and may be dropped."""
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024, int(lines["VmRSS"].split()[0]) / 1024


def main(folder, kinds):
    results = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    results.bind(("127.0.0.1", 0))
    to, ports = f"127.0.0.1:{results.getsockname()[1]}", (free_port(), free_port())
    common = f'to = "{to}"\ndiscovery = "static"\ninterval = "1s"\ntrain = {TRAIN}\nkinds = {json.dumps(kinds)}\n'
    peers = {0: [f"r{n}=127.0.0.1:{ports[1]}" for n in range(NODES)], 1: ["r0=127.0.0.1:1"]}
    agents = []
    for at, name in enumerate(("prober", "r0")):
        file = folder / f"{name}.toml"
        file.write_text(f'[mesh]\nname = "{name}"\nlisten = "127.0.0.1:{ports[at]}"\npeers = {json.dumps(peers[at])}\n{common}')
        agents.append(subprocess.Popen([BINARY, "mesh", "--config", file], stderr=subprocess.DEVNULL))
    try:
        time.sleep(3)
        before = [cpu(agent.pid) for agent in agents]
        time.sleep(SECONDS)
        used = [cpu(agent.pid) - b for agent, b in zip(agents, before)]
        probes = SECONDS * NODES * (TRAIN * ("udp" in kinds) + ("tcp" in kinds))
        found = []
        for name, agent, seconds in zip(("probing", "responding"), agents, used):
            anonymous, resident = memory(agent.pid)
            micros = seconds * 1e6 / probes
            found.append(micros)
            print(f"  {'+'.join(kinds):8} {name:11} {micros:6.1f} µs CPU a probe, {anonymous:5.1f} MB anonymous, {resident:5.1f} MB resident")
            if anonymous > MEMORY_MB_MAX:
                raise SystemExit(f"mesh_cost: {anonymous:.1f} MB, {MEMORY_MB_MAX} at most")
        return found
    finally:
        for agent in agents:
            agent.kill()
            agent.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for kinds in (["udp"], ["tcp"], ["udp", "tcp"]):
            main(pathlib.Path(folder), kinds)
