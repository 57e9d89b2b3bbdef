"""The description at `/api` against what is served: schemathesis (PyPI) sends what it allows and what it does not, to each
address that it names, and sees that nothing fails in the server, and that statuses, content types and bodies are those described."""
import json, pathlib, subprocess, sys, urllib.request
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from metlog_process import free_port, run, running, until

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
# Seconds for each address, at most; what a run begins with is always done.
SECONDS = {"query": 30, "intake": 4}
# Never ends, or is about who asks: both have tests of their own.
ELSEWHERE = ["/api/tail", "/login", "/logout"]
# Tags of addresses of their own, and the key of each.
INTAKE = {"intake_http": "http", "intake_otlp": "otlp_http", "intake_jaeger": "jaeger_http", "intake_zipkin": "zipkin", "sampling": "sampling"}
# What a tag needs besides: /submit refuses other methods with 403, as Bagheera did; no serializer knows Thrift; what Zipkin's address
# does not take is read there, by any method.
FURTHER = {"intake_http": ["--exclude-checks", "unsupported_method"], "intake_jaeger": ["--phases", "coverage"], "intake_zipkin": ["--exclude-checks", "unsupported_method"]}
PORTS = {key: free_port() for key in INTAKE.values()}
SPAN = {"traceId": "0000000000000001", "id": "0000000000000002", "name": "get", "timestamp": 1772600400000000, "duration": 1500,
        "localEndpoint": {"serviceName": "sync"}, "tags": {"http.method": "GET"}}


def examined(metlog, tool, name, url, seconds, more):
    """Runs it, and counts its cases."""
    folder = metlog.folder
    command = [
        tool, "run", str(folder / "openapi.json"), "--url", url, "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
        "--max-examples", "15", "--max-time", str(seconds), "--seed", "1", "--generation-database", "none", "--no-color", 
        "--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "30", "--continue-on-failure", *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, f"{name}:\n{done.stdout[-12000:]}\n{done.stderr[-2000:]}"
    cases = [line.strip() for line in done.stdout.splitlines() if "generated" in line]
    return f"{name}: {cases[-1]}"


def every_address_is_as_described(binary):
    """All addresses of one process, with something in every table."""
    tool = sys.argv[2]
    listener = "".join(f'{key} = "127.0.0.1:{port}"\n' for key, port in PORTS.items())
    extra = 'time_max = "10s"\n[listener.submit]\nloggers = "*"\n'
    with running(binary, listener=listener, extra=extra) as metlog:
        description = json.loads(metlog.get("/api"))
        (metlog.folder / "openapi.json").write_text(json.dumps(description))
        metlog.send(metlog.metlog, [json.dumps({"type": "event", "logger": "sync", "payload": "p", "fields": {"a": 1}})] * 50)
        metlog.send(metlog.statsd, ["sync.requests:1|c\nsync.time:5|ms|#host:a"] * 20)
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORTS['zipkin']}/api/v2/spans", json.dumps([SPAN]).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request).read()
        until("metrics are seen", lambda: metlog.one("select count(*) as n from metrics") > 0)
        told = [examined(metlog, tool, "query", f"http://127.0.0.1:{metlog.http}", SECONDS["query"],
                         [part for tag in INTAKE for part in ("--exclude-tag", tag)] + [part for path in ELSEWHERE for part in ("--exclude-path", path)])]
        for tag, key in INTAKE.items():
            told.append(examined(metlog, tool, tag, f"http://127.0.0.1:{PORTS[key]}", SECONDS["intake"], ["--include-tag", tag, *FURTHER.get(tag, [])]))
        assert metlog.process.poll() is None
        problems = metlog.health()["problems"]
        assert not problems, problems
        return " | ".join(told)


run([every_address_is_as_described], sys.argv[1])
