"""A rule in the owner's folder of reports: a webhook hears when it begins and ends, also across a kill of the server.

    python3 alerts.py BINARY
"""
import http.server, json, sys, tempfile, threading, pathlib
from metlog_process import run, running, until

RULE = '''title = "Errors"
answers = "How many errors were there in the last minute?"
from = "-1m"
sql = """
select logger, count(*) as errors from messages
where timestamp >= :from and timestamp < :to and severity <= :severity and payload <> 'over' group by logger
"""
[[parameters]]
name = "severity"
type = "number"
default = 3
[chart]
type = "none"
[alert]
threshold = "> 2"
for = "1s"
every = "1s"
'''


class Webhook:
    """Keeps what it is told; refuses while it is away."""

    def __init__(self):
        self.told, self.away = [], False
        webhook = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not webhook.away:
                    webhook.told.append((body, self.headers["X-Team"]))
                self.send_response(503 if webhook.away else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{server.server_port}/hook"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def statuses(self):
        return [(body["status"], [alert["labels"].get("logger") for alert in body["alerts"]]) for body, _ in self.told]


def begin_and_end(binary):
    webhook = Webhook()
    with tempfile.TemporaryDirectory() as reports:
        rule = pathlib.Path(reports) / "errors.toml"
        rule.write_text(RULE)
        extra = f'[web]\nreports = "{reports}"\n[alert]\nwebhook = "{webhook.url}"\n[alert.headers]\nx-team = "sync"\n'
        with running(binary, extra=extra) as metlog:
            rules = lambda: json.loads(metlog.get("/api/alerts"))["rules"]
            until("the rule is evaluated", lambda: rules() and rules()[0]["evaluated"])
            webhook.away = True
            message = json.dumps({"type": "t", "logger": "<b>shop</b>", "severity": 2, "payload": "failed"})
            metlog.send(metlog.metlog, [message] * 3)
            until("it fires", lambda: any(alert["phase"] == "firing" for rule in rules() for alert in rule["alerts"]))
            page = metlog.get("/").decode()
            assert "Errors: 3" in page and "firing" in page and "<b>shop" not in page, "the overview does not show it as text"
            banner = page[page.index('<section class="state'):].split("</section>")[0]
            assert "Attention" in banner and "alert: Errors: 3" in banner, banner
            assert '<time datetime="20' in banner and 'href="/reports/errors"' in banner, f"not since when, or where to read: {banner}"
            metlog.kill()
            webhook.away = False
            metlog.start()
            until("the webhook heard of it", lambda: webhook.told)
            assert webhook.statuses() == [("firing", ["<b>shop</b>"])] and webhook.told[0][1] == "sync", webhook.told
            # The rule looks away, and what fired is over.
            rule.write_text(RULE.replace("'over'", "'failed'"))
            until("the end is told", lambda: len(webhook.told) == 2)
            banner = lambda: (text := metlog.get("/").decode())[text.index('<section class="state'):].split("</section>")[0]
            until("the overview's word is good again", lambda: "Good" in banner())
            assert webhook.statuses()[1] == ("resolved", ["<b>shop</b>"]), webhook.told
            rule.write_text(RULE.replace("threshold", "treshold"))
            until("a broken rule is told", lambda: len(webhook.told) == 3)
            body = webhook.told[2][0]
            assert "alert.treshold: unknown key" in body["alerts"][0]["annotations"]["summary"], body
            assert rules()[0]["error"], rules()
    return "told once after a kill, once at its end, and that its rule is broken"


if __name__ == "__main__":
    run([begin_and_end], sys.argv[1])
