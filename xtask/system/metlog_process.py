"""One `metlog up` with its own folder and ports, for the system tests beside this file, and what they share."""
import contextlib, gzip, http.server, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Carbon:
    """Takes Graphite's plaintext lines on one port; can be closed and opened again."""

    def __init__(self):
        self.port, self.lines, self.server, self.connections = free_port(), [], None, []
        self.open()

    def open(self):
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def _accept(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    self.lines.append(line.decode().rstrip("\n"))

    def last(self):
        """(path, timestamp) to the value that was told last: what a whisper file would hold."""
        out = {}
        for line in list(self.lines):
            path, value, timestamp = line.rsplit(" ", 2)
            out[path, int(timestamp)] = float(value)
        return out


class Receiver:
    """Takes documents by HTTP, under their path; refuses them with 503 while it is told to be away."""

    def __init__(self):
        self.documents, self.away = {}, False
        receiver = self

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not receiver.away:
                    body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
                    receiver.documents.setdefault(self.path, []).append(body)
                self.send_response(503 if receiver.away else 201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                """A sender that was killed is no error here."""

        server = Server(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{server.server_port}/submit/{{logger}}/{{uuid}}"
        threading.Thread(target=server.serve_forever, daemon=True).start()


TRACE_ADDRESSES = ("otlp_grpc", "otlp_http", "jaeger_compact", "jaeger_binary", "jaeger_http", "jaeger_grpc", "zipkin", "scribe", "milo", "sampling")


class Metlog:
    def __init__(self, binary, folder, extra="", carbon=None, receiver=None, flush="1s", roll="1s", listener="", statsd="",
                 parquet="", environment=None, before_exec=None, bind="127.0.0.1"):
        """`listener`, `statsd` and `parquet` are more lines of these sections, `extra` is what stands after all others;
        `before_exec` runs in the child before it becomes the binary."""
        self.binary, self.folder = binary, pathlib.Path(folder)
        self.environment, self.before_exec = {**os.environ, **(environment or {})}, before_exec
        self.metlog, self.statsd, self.http = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM), free_port()
        # Nothing else listens: what other programs on this host send to the default ports is not for a test.
        named = {line.split("=")[0].strip() for line in listener.splitlines()}
        listener += "".join(f'{key} = ""\n' for key in TRACE_ADDRESSES if key not in named)
        graphite = f'[sink.graphite]\naddress = "127.0.0.1:{carbon.port}"\n' if carbon else ""
        http = f'[sink.http]\nurl = "{receiver.url}"\n' if receiver else ""
        self.config = self.folder / "metlog.toml"
        self.config.write_text(
            f'data = "{self.folder}/data"\n'
            f'[listener]\nname = "test"\nmetlog = "{bind}:{self.metlog}"\nstatsd = "127.0.0.1:{self.statsd}"\n{listener}'
            f'[statsd]\nflush_interval = "{flush}"\npercentiles = [90]\n{statsd}'
            f'[sink.parquet]\nurl = "file://{self.folder}/warehouse"\nroll_after = "{roll}"\n{parquet}'
            f'{graphite}{http}[query]\nlisten = "127.0.0.1:{self.http}"\n{extra}'
        )
        self.start()

    def start(self):
        with open(self.folder / "metlog.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "up", "--config", str(self.config)], stdout=log, stderr=log, env=self.environment,
                preexec_fn=self.before_exec)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"metlog ended with {self.process.returncode}: {self.log()}"
            try:
                return self.get("/health")
            except OSError:
                time.sleep(0.02)
        raise AssertionError("not healthy after 30 s: " + self.log())

    def log(self):
        return (self.folder / "metlog.log").read_text(errors="replace")[-2000:]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=seconds) == 0, self.log()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=30) as answer:
            return answer.read()

    def health(self):
        """What `/health` says, whatever its status."""
        try:
            return json.loads(self.get("/health"))
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def sql(self, query):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/api/sql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.code} {error.read()[:500]}") from None

    def one(self, query):
        return next(iter(self.sql(query)[0].values()))

    def ledger(self):
        return json.loads(self.get("/api/ledger"))

    def send(self, port, datagrams):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for i, datagram in enumerate(datagrams):
                s.sendto(datagram if isinstance(datagram, bytes) else datagram.encode(), ("127.0.0.1", port))
                if i % 20 == 19:
                    time.sleep(0.002)


def until(what, holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


def balanced(ledger):
    right = sum(ledger[column] for column in ("rejected", "dropped", "stored", "set_aside", "held"))
    assert ledger["received"] == right, f"the ledger does not balance: {ledger}"


@contextlib.contextmanager
def running(binary, **options):
    folder = tempfile.mkdtemp(prefix="metlog-system-")
    metlog = Metlog(binary, folder, **options)
    try:
        yield metlog
    finally:
        if metlog.process.poll() is None:
            metlog.kill()
        shutil.rmtree(folder, ignore_errors=True)


def run(checks, binary):
    """Runs each, prints a line for each and the counts; the exit code is 1 where one failed."""
    passed = failed = 0
    for check in checks:
        try:
            print(f"pass  {check.__name__}: {check(os.path.abspath(binary))}", flush=True)
            passed += 1
        except Exception as error:  # what cannot run has failed
            print(f"FAIL  {check.__name__}: {type(error).__name__}: {error}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
