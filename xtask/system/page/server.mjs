// A `metlog up --demo` with a folder and ports of its own, and what is sent to it besides the demo.
import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Longest wait for anything of the server. */
const WAIT_MS = 30_000;

/** Text that would do something, were it anything but text. */
export const HOSTILE = {
  script: "<script>window.hacked = 1</script>",
  image: "<img src=x onerror=\"window.hacked = 1\">",
  attribute: "\" onmouseover=\"window.hacked = 1\" x=\"",
  link: ["javascript", "window.hacked=1"].join(":"),
  entity: "&lt;b&gt;&#x3c;script&#x3e;",
  bidi: "evil\u202egnp.exe",
  control: "\u001b[31mred\u001b[0m\u0007\r\nsecond line",
  formula: "=HYPERLINK(\"http://example.org\",\"x\")",
  close: "</textarea></title></style></svg><script>window.hacked = 1</script>",
};

export class Server {
  /** Starts it, and waits until the demo's first data are seen. */
  static async start(binary) {
    const server = new Server();
    server.binary = binary;
    server.folder = mkdtempSync(join(tmpdir(), "metlog-page-"));
    server.reports = join(server.folder, "reports");
    mkdirSync(server.reports);
    const config = join(server.folder, "metlog.toml");
    writeFileSync(config, `[listener]\notlp_http = "127.0.0.1:0"\n[statsd]\nflush_interval = "1s"\n[sink.parquet]\nroll_after = "5s"\n[web]\nreports = "${server.reports}"\n`);
    const any = "127.0.0.1:0";
    server.process = spawn(binary, ["up", "--demo", "--config", config, "--data", join(server.folder, "data"), "--http", any, "--metlog", any, "--statsd", any], { cwd: server.folder, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    server.process.stdout.on("data", (more) => { text += more; });
    await server.until("the server is up", () => /page +(http\S+)/.test(text));
    const address = (name) => text.match(new RegExp(`^ +${name} +(\\S+)`, "m"))[1];
    server.base = address("page").replace(/\/$/, "");
    server.metlog = Number(address("metlog").split(":")[1]);
    server.statsd = Number(address("statsd").split(":")[1]);
    server.otlp = `http://${address("otlp_http")}`;
    await server.sendHostile();
    await server.until("the demo's data", async () => (await server.sql("select count(*) as n from messages"))[0].n > 50);
    await server.until("the demo's metrics", async () => (await server.sql("select count(*) as n from metrics where kind = 'timer'"))[0].n > 2);
    return server;
  }

  /** Waits until something is so. */
  async until(what, is) {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      if (await is()) return;
      if (Date.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
      await sleep(50);
    }
  }

  async sql(query) {
    const response = await fetch(`${this.base}/api/sql`, { method: "POST", body: JSON.stringify({ query }) });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }

  /** Sends messages in Metlog JSON. */
  async send(...messages) {
    await this.datagrams(this.metlog, messages.map((message) => JSON.stringify(message)));
  }

  async datagrams(port, texts) {
    const socket = createSocket("udp4");
    for (const text of texts) await new Promise((sent, failed) => { socket.send(text, port, "127.0.0.1", (error) => (error ? failed(error) : sent())); });
    await new Promise((closed) => { socket.close(closed); });
  }

  /** Everything hostile, wherever text of others is shown. */
  async sendHostile() {
    await this.send(...Object.values(HOSTILE).map((text) => ({ type: text, logger: text, severity: 3, payload: text, metlog_hostname: text, tokens: [text], fields: { [text]: text, user: text } })));
    await this.datagrams(this.metlog, ["{broken <script>window.hacked = 1</script>"]);
    await this.datagrams(this.statsd, ["<script>window.hacked=1</script>:1|c", "\"onerror=x:1|ms|#<img src=x>:<b>,a:b"]);
    writeFileSync(join(this.reports, "<b>hostile.toml"), `title = '''${HOSTILE.script}'''\nanswers = '''${HOSTILE.image}'''\nsql = '''select '${HOSTILE.script}' as "${HOSTILE.image.replaceAll('"', '""')}", 1 as n'''\n`);
    writeFileSync(join(this.reports, "broken.toml"), "title = 'Broken'\n\nsqll = 'select 1'\n");
  }

  /** A `metlog serve` over the warehouse of this server, while something is done with its address. */
  async serving(work) {
    const reading = spawn(this.binary, ["serve", "--warehouse", `file://${join(this.folder, "data/warehouse")}`, "--http", "127.0.0.1:0"], { cwd: this.folder, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    reading.stdout.on("data", (more) => { text += more; });
    try {
      await this.until("metlog serve is up", () => /page +(http\S+)/.test(text));
      await work(text.match(/page +(http\S+)/)[1].replace(/\/$/, ""));
    } finally {
      const ended = new Promise((ended) => { reading.once("exit", ended); });
      reading.kill("SIGTERM");
      await ended;
    }
  }

  /** A `metlog up` with users of its own, while something is done with its address: `ann` reads `sync`, with this password. */
  async guarded(password, work) {
    const folder = mkdtempSync(join(tmpdir(), "metlog-page-users-"));
    const line = spawnSync(this.binary, ["password"], { input: `${password}\n`, encoding: "utf8" }).stdout;
    const config = join(folder, "metlog.toml");
    const off = ["otlp_grpc", "otlp_http", "jaeger_compact", "jaeger_binary", "jaeger_http", "jaeger_grpc", "zipkin", "scribe", "milo", "sampling"];
    writeFileSync(config, `[listener]\n${off.map((key) => `${key} = ""\n`).join("")}[[access.users]]\nname = "ann"\n${line}loggers = ["sync"]\n`);
    const any = "127.0.0.1:0";
    const guarded = spawn(this.binary, ["up", "--config", config, "--data", join(folder, "data"), "--http", any, "--metlog", any, "--statsd", any], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    guarded.stdout.on("data", (more) => { text += more; });
    try {
      await this.until("the guarded server is up", () => /page +(http\S+)/.test(text));
      await work(text.match(/page +(http\S+)/)[1].replace(/\/$/, ""));
    } finally {
      const ended = new Promise((ended) => { guarded.once("exit", ended); });
      guarded.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async stop() {
    const ended = new Promise((ended) => { this.process.once("exit", ended); });
    this.process.kill("SIGTERM");
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
