"""A real ZooKeeper with an agent of the older system beside the tests of the mesh: each sees the other.

Usage: mesh_zookeeper.py COMMAND…   runs COMMAND with METLOG_TEST_ZOOKEEPER and METLOG_TEST_ZOOKEEPER_ROOT.
"""
import contextlib, glob, json, os, pathlib, shutil, subprocess, sys, tempfile, threading, time, uuid

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from metlog_process import free_port, until

JARS = ("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple", "slf4j-nop", "log4j-1.2", "netty*", "snappy*", "metrics-core", "commons-cli", "jline*")


@contextlib.contextmanager
def zookeeper():
    """A server of its own, with its data in a folder that is removed."""
    folder, port = pathlib.Path(tempfile.mkdtemp(prefix="metlog-zookeeper-")), free_port()
    config = folder / "zoo.cfg"
    config.write_text(
        f"dataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\n"
        "minSessionTimeout=1000\nmaxSessionTimeout=60000\nmaxClientCnxns=0\nadmin.enableServer=false\n")
    jars = [jar for name in JARS for jar in glob.glob(f"/usr/share/java/{name}.jar")]
    assert any("zookeeper.jar" in jar for jar in jars), "ZooKeeper is not installed: sudo apt-get install zookeeper"
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["java", "-Xmx128m", "-cp", ":".join(jars), "org.apache.zookeeper.server.ZooKeeperServerMain", str(config)],
            stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-2000:], file=sys.stderr)
        raise
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class OldAgent:
    """Registers and reads as the older system does: every child each time, and it stops at data that is no JSON of its own."""

    def __init__(self, servers, root, port):
        self.folder, self.seen, self.failure = f"/{root}/heart_beat_nodes", set(), None
        self.client = KazooClient(hosts=servers, timeout=4)
        self.client.start(timeout=60)
        self.client.ensure_path(self.folder)
        data = {"My_address": "127.0.0.1", "My_port": port, "Poll_timeout": 5000, "Poll_interval": 10000}
        self.client.create(f"{self.folder}/_c_{uuid.uuid4().hex}-127.0.0.1:{port}", json.dumps(data).encode(), ephemeral=True, sequence=True)
        threading.Thread(target=self.poll, daemon=True).start()

    def poll(self):
        try:
            while True:
                for child in self.client.get_children(self.folder):
                    with contextlib.suppress(NoNodeError):
                        node = json.loads(self.client.get(f"{self.folder}/{child}")[0])
                        types = [type(node[key]) for key in ("My_address", "My_port", "Poll_timeout", "Poll_interval")]
                        assert types == [str, int, int, int], node
                        self.seen.add((node["My_address"], node["My_port"]))
                time.sleep(0.05)
        except Exception as error:
            self.failure = error


def main():
    with zookeeper() as servers:
        old = OldAgent(servers, "metlog_test", 4000)
        environment = {**os.environ, "METLOG_TEST_ZOOKEEPER": servers, "METLOG_TEST_ZOOKEEPER_ROOT": "metlog_test"}
        subprocess.run(sys.argv[1:], env=environment, check=True)
        assert old.failure is None, f"the old agent failed: {old.failure!r}"
        until("the old agent sees both new ones", lambda: {("127.0.0.1", 7001), ("127.0.0.1", 7002)} <= old.seen, 5)
        print(f"pass  mesh_zookeeper: the old agent saw {sorted(old.seen)}")


main()
