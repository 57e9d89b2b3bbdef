"""Connections that say nothing, or half of a request, more of them than a process may usually open: to the HTTP port and
to statsd over TCP. Messages must still be taken and stored, others must be answered, and the log must stay readable."""
import contextlib, pathlib, resource, socket, sys, time, urllib.request
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from attack import Sender, attacked, main, objects
from metlog_process import free_port, until

EACH, SOFT_LIMIT = 1_500, 1_024
ANSWER_SECONDS_MAX, LOG_LINES_MAX = 60, 200


def connections(port, says):
    """Opened until there are enough, or nobody takes them any more."""
    opened, refused = [], 0
    while len(opened) < EACH and refused < 20:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=0.5)
            opened.append(connection)
            connection.setblocking(False)
            connection.send(says)
        except OSError:
            refused += 1
    return opened


def attack(binary):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * EACH), hard))
    tcp = free_port()
    with attacked(binary, roll="1s", listener=f'statsd_tcp = "127.0.0.1:{tcp}"\n') as metlog:
        metlog.kill()
        before_exec = metlog.before_exec
        # As most systems start a service; it may raise the limit itself.
        metlog.before_exec = lambda: (resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_LIMIT, hard)), before_exec())
        metlog.start()
        opened = connections(tcp, b"half.a.line:1") + connections(metlog.http, b"GET /health HTTP/1.1\r\nhost: localhost\r\n")
        sender, before = Sender(metlog.statsd), len(objects(metlog))
        sender.send([b"attack.beside:1|c"] * 200, 100)
        until("what came meanwhile is stored", lambda: len(objects(metlog)) > before, 30)

        def answered():
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{metlog.http}/health", timeout=5) as answer:
                return answer.read()

        began = time.monotonic()
        until("somebody else is answered", answered, ANSWER_SECONDS_MAX)
        took = time.monotonic() - began
        until("its values are there", lambda: metlog.one(
            "select coalesce(sum(count), 0) from metrics where name = 'attack.beside'") == 200, 30)
        lines = (metlog.folder / "metlog.log").read_text(errors="replace").count("\n")
        assert lines <= LOG_LINES_MAX, f"{lines} lines in the log"
        count = len(opened)
        for connection in opened:
            connection.close()
        return f"{count} connections held, somebody else answered after {took:.1f} s, {lines} lines in the log"


main(attack)
