//! Attack: a reader of the logger `sync` goes through every address of the API, every view of the page and every method of
//! gRPC, after an admin has, for what `browserid` sent.
//!
//! The tables here name each of them. One that is added without a line here fails the test.
use crate::access::{Response, Server, send, send_bytes};
use crate::running::until;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// In every text that `browserid` sends, but for its name.
const SECRET: &str = "hunter2";
const OTHER: &str = "browserid";

/// What is expected of a request.
#[derive(Clone, Copy, PartialEq)]
pub enum Expect {
    /// The admin sees the secret, and the reader something of `sync`.
    Rows,
    /// The admin sees the secret; there is nothing of it that the reader may see.
    NotTheirs,
    /// The admin is answered, the reader is refused.
    Refused,
    /// Neither sees rows.
    Nothing,
}
use Expect::{NotTheirs, Nothing, Refused, Rows};

/// A trace of both services, and one of `browserid` alone.
const SHARED: &str = "00000000000000000000000000000011";
const ALONE: &str = "00000000000000000000000000000022";

/// The address as it is described or routed, and a request to it: `METHOD path`, where a body follows after a space.
pub type Line = (&'static str, Expect, &'static str);

const OWN: &[Line] = &[
    ("GET /api", Nothing, "/api"),
    ("GET /api/sql", Rows, "/api/sql?query=select+*+from+messages"),
    ("GET /api/sql", Rows, "/api/sql?format=frames&query=select+*+from+messages"),
    ("POST /api/sql", Rows, r#"/api/sql {"query": "select * from messages"}"#),
    ("POST /api/sql", Rows, r#"/api/sql {"query": "select * from metrics"}"#),
    ("POST /api/sql", Rows, r#"/api/sql {"query": "select * from spans"}"#),
    ("POST /api/sql", Rows, r#"/api/sql {"query": "select * from senders"}"#),
    (
        "POST /api/sql",
        Rows,
        r#"/api/sql {"query": "select min(payload) as a, max(payload) as b, max(logger) as c from messages"}"#,
    ),
    ("POST /api/sql", Nothing, r#"/api/sql {"query": "select cast(payload as int) from messages"}"#),
    ("POST /api/sql", Nothing, r#"/api/sql {"query": "explain select * from messages"}"#),
    ("POST /api/sql", Refused, r#"/api/sql {"query": "explain analyze select * from messages"}"#),
    ("POST /api/sql", Refused, r#"/api/sql {"query": "explain verbose select * from messages"}"#),
    ("POST /api/sql", Refused, r#"/api/sql {"query": "explain format tree select * from messages"}"#),
    ("POST /api/sql", Nothing, r#"/api/sql {"query": "select * from information_schema.tables"}"#),
    ("POST /api/sql", Nothing, r#"/api/sql {"query": "select * from information_schema.columns"}"#),
    ("POST /api/sql", Nothing, r#"/api/sql {"query": "select * from information_schema.views"}"#),
    ("POST /api/sql", Nothing, r#"/api/sql {"query": "select * from information_schema.df_settings"}"#),
    ("GET /api/ledger", Refused, "/api/ledger"),
    ("GET /api/senders", Rows, "/api/senders"),
    ("GET /api/rejected", Refused, "/api/rejected"),
    ("GET /api/addresses", Nothing, "/api/addresses"),
    ("GET /api/sinks", Refused, "/api/sinks"),
    ("GET /api/alerts", Refused, "/api/alerts"),
    // It never ends: `tail_shows_the_rows_of_ones_loggers`.
    ("GET /api/tail", Nothing, "/api/filter"),
    ("GET /api/filter", Nothing, "/api/filter?filter=type%3Dt"),
    ("GET /api/user", Nothing, "/api/user"),
    ("GET /login", Nothing, "/login"),
    ("POST /login", Nothing, "/login user=x&password=y"),
    ("POST /logout", Nothing, "/logout "),
    ("GET /health", Nothing, "/health"),
    ("GET /metrics", Refused, "/metrics"),
];

const GRAPHITE: &[Line] = &[
    ("GET /render", Rows, "/render?target=stats.counters.*.*.count&from=-1h&format=json"),
    ("GET /render", Rows, "/render?target=seriesByTag('name=~.%2b')&from=-1h&format=csv"),
    ("GET /render", NotTheirs, "/render?target=stats.counters.*.hunter*.count&from=-1h&format=raw"),
    ("POST /render", Rows, "/render target=stats.counters.*.*.count&from=-1h&format=raw"),
    ("GET /metrics/find", Rows, "/metrics/find?query=stats.counters.*"),
    ("GET /metrics/find", Rows, "/metrics/find?query=stats.counters.&format=completer"),
    ("POST /metrics/find", Rows, "/metrics/find query=stats.counters.*.*&format=nodelist&position=2"),
    ("GET /metrics/expand", Rows, "/metrics/expand?query=stats.counters.*.*"),
    ("POST /metrics/expand", Rows, "/metrics/expand query=stats.counters.*.*&groupByExpr=1"),
    ("GET /metrics/index.json", Rows, "/metrics/index.json"),
    ("POST /metrics/index.json", Rows, "/metrics/index.json "),
    ("GET /functions", Nothing, "/functions"),
    ("GET /functions/{name}", Nothing, "/functions/sumSeries"),
    ("GET /version", Nothing, "/version"),
    ("GET /tags", NotTheirs, "/tags"),
    ("GET /tags/{tag}", Rows, "/tags/name"),
    ("GET /tags/{tag}", NotTheirs, "/tags/who"),
    ("GET /tags/findSeries", Rows, "/tags/findSeries?expr=name%3D~.%2b"),
    ("POST /tags/findSeries", Rows, "/tags/findSeries expr=name%3D~.%2b"),
    ("GET /tags/autoComplete/tags", NotTheirs, "/tags/autoComplete/tags"),
    ("POST /tags/autoComplete/tags", NotTheirs, "/tags/autoComplete/tags tagPrefix="),
    ("GET /tags/autoComplete/values", NotTheirs, "/tags/autoComplete/values?tag=who"),
    ("POST /tags/autoComplete/values", Rows, "/tags/autoComplete/values tag=name"),
    ("GET /events/get_data", Rows, "/events/get_data?from=-1h"),
    ("POST /events/get_data", Rows, "/events/get_data tags=event&from=-1h"),
];

const JAEGER: &[Line] = &[
    ("GET /api/traces", Rows, "/api/traces?service=sync"),
    ("GET /api/traces", NotTheirs, "/api/traces?service=browserid"),
    ("GET /api/traces", Rows, "/api/traces?filter=kind%3Dserver"),
    ("GET /api/traces", Rows, "/api/traces?traceID=11&traceID=22"),
    ("GET /api/traces/{id}", Rows, "/api/traces/11"),
    ("GET /api/traces/{id}", NotTheirs, "/api/traces/22"),
    ("POST /api/archive/{id}", Nothing, "/api/archive/22 "),
    ("GET /api/services", NotTheirs, "/api/services"),
    ("GET /api/services/{service}/operations", NotTheirs, "/api/services/browserid/operations"),
    ("GET /api/operations", NotTheirs, "/api/operations?service=browserid"),
    ("POST /api/transform", Nothing, r#"/api/transform {"resourceSpans": []}"#),
    ("GET /api/dependencies", NotTheirs, "/api/dependencies"),
    ("GET /api/deep-dependencies", NotTheirs, "/api/deep-dependencies?service=sync"),
    (
        "GET /api/metrics/latencies",
        NotTheirs,
        "/api/metrics/latencies?service=browserid&quantile=0.5&groupByOperation=true",
    ),
    ("GET /api/metrics/calls", NotTheirs, "/api/metrics/calls?service=browserid&groupByOperation=true"),
    ("GET /api/metrics/errors", NotTheirs, "/api/metrics/errors?service=browserid&groupByOperation=true"),
    ("GET /api/metrics/minstep", Nothing, "/api/metrics/minstep"),
    ("GET /api/quality-metrics", Nothing, "/api/quality-metrics"),
    ("GET /api/v3/services", NotTheirs, "/api/v3/services"),
    ("GET /api/v3/operations", NotTheirs, "/api/v3/operations?service=browserid"),
    (
        "GET /api/v3/traces",
        Rows,
        "/api/v3/traces?query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2120-01-01T00:00:00Z",
    ),
    ("GET /api/v3/traces/{id}", Rows, "/api/v3/traces/11"),
    (
        "GET /api/v3/trace-summaries",
        NotTheirs,
        "/api/v3/trace-summaries?query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2120-01-01T00:00:00Z",
    ),
];

const ZIPKIN: &[Line] = &[
    ("GET /api/v2/services", NotTheirs, "/api/v2/services"),
    ("GET /api/v2/spans", NotTheirs, "/api/v2/spans?serviceName=browserid"),
    ("GET /api/v2/remoteServices", NotTheirs, "/api/v2/remoteServices?serviceName=browserid"),
    ("GET /api/v2/traces", Rows, "/api/v2/traces"),
    ("GET /api/v2/traces", NotTheirs, "/api/v2/traces?serviceName=browserid"),
    ("GET /api/v2/trace/{id}", Rows, "/api/v2/trace/11"),
    ("GET /api/v2/trace/{id}", NotTheirs, "/api/v2/trace/22"),
    ("GET /api/v2/trace/", Nothing, "/api/v2/trace/"),
    ("GET /api/v2/traceMany", Rows, "/api/v2/traceMany?traceIds=11,22"),
    ("GET /api/v2/dependencies", NotTheirs, "/api/v2/dependencies?endTs=4000000000000&lookback=4000000000000"),
    ("GET /api/v2/autocompleteKeys", NotTheirs, "/api/v2/autocompleteKeys"),
    ("GET /api/v2/autocompleteValues", NotTheirs, "/api/v2/autocompleteValues?key=who"),
];

/// Of the page. `{row}` is the message of `browserid`.
pub const VIEWS: &[Line] = &[
    ("GET /", Rows, "/"),
    ("GET /overview/rejected", NotTheirs, "/overview/rejected"),
    ("GET /reports", Nothing, "/reports"),
    ("GET /messages", Rows, "/messages"),
    ("GET /messages", NotTheirs, "/messages?filter=logger%3Dbrowserid"),
    ("GET /messages", Rows, "/messages?by=type&columns=timestamp,type,logger,tokens,fields.who,payload"),
    ("GET /messages/row", NotTheirs, "/messages/row?{row}&context=all"),
    ("GET /messages/row/fields", NotTheirs, "/messages/row/fields?{row}"),
    ("GET /series", Rows, "/series"),
    ("GET /series", NotTheirs, "/series?name=browserid.requests&by=tag:who&stat=count"),
    ("GET /series", NotTheirs, "/series?find=hunter&by=tag:who"),
    ("GET /series/cardinality", Rows, "/series/cardinality"),
    ("GET /traces", NotTheirs, "/traces?service=sync"),
    ("GET /traces", NotTheirs, "/traces?service=browserid"),
    ("GET /traces/map", NotTheirs, "/traces/map"),
    ("GET /traces/services", NotTheirs, "/traces/services?service=browserid"),
    ("GET /traces/compare", NotTheirs, "/traces/compare?base=kind%3Dserver&filter=service%3Dsync"),
    ("GET /traces/live", Rows, "/traces/live"),
    ("GET /traces/export", Rows, "/traces/export?format=otlp"),
    ("GET /traces/export", Rows, "/traces/export?format=csv"),
    ("POST /traces/upload", Nothing, r#"/traces/upload {"resourceSpans": []}"#),
    ("GET /traces/{id}", Rows, "/traces/11"),
    ("GET /traces/{id}", NotTheirs, "/traces/22"),
    ("GET /traces/{id}/export", Rows, "/traces/11/export?format=jaeger"),
    ("GET /live", Nothing, "/live"),
    // Pings are between hosts, and of no logger.
    ("GET /mesh", Nothing, "/mesh"),
    ("GET /mesh/pair", Nothing, "/mesh/pair?source=a&target=b"),
    ("GET /explore", Rows, "/explore?sql=select+*+from+messages"),
    ("GET /explore/result", Rows, "/explore/result?sql=select+*+from+messages"),
    ("GET /explore/result", Nothing, "/explore/result?sql=explain+analyze+select+*+from+messages"),
    ("GET /explore/schema", Nothing, "/explore/schema"),
    ("GET /explore/export", Rows, "/explore/export?format=csv&sql=select+*+from+messages"),
    (
        "GET /explore/export",
        NotTheirs,
        "/explore/export?format=ndjson&sql=select+*+from+metrics+where+name+like+'brow%25'",
    ),
];

/// All reports that are shipped.
const REPORT: &str = "GET /reports/{name}";

fn lines() -> Vec<(String, Expect, String)> {
    let all = [OWN, GRAPHITE, JAEGER, ZIPKIN, VIEWS].concat();
    let mut lines: Vec<_> =
        all.into_iter().map(|(of, expect, request)| (of.to_owned(), expect, request.to_owned())).collect();
    lines.extend(reports().into_iter().map(|name| (REPORT.to_owned(), Nothing, format!("/reports/{name}"))));
    lines
}

/// Below the folder of the workspace.
fn files(folder: &str, ends: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(ends) => found.push(path),
                false => (),
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

fn reports() -> Vec<String> {
    let names =
        files("web", ".toml").into_iter().filter(|path| path.parent().is_some_and(|of| of.ends_with("reports")));
    names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// Routes of the page as they stand in its sources: `METHOD path`.
fn routes_of_views() -> BTreeSet<String> {
    let route = Regex::new(r#"\.route\(\s*([A-Z_]+|"[^"]+"),\s*(get|post)\("#).unwrap();
    let mut found = BTreeSet::new();
    for file in files("web/src/view", "mod.rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in route.captures_iter(&text) {
            let path = match line[1].strip_prefix('"') {
                Some(path) => path.trim_end_matches('"').to_owned(),
                None => {
                    let constant = Regex::new(&format!(r#"const {}: &str = "([^"]+)""#, &line[1])).unwrap();
                    let others = files(
                        &file
                            .parent()
                            .unwrap()
                            .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
                            .unwrap()
                            .to_string_lossy(),
                        ".rs",
                    );
                    let texts = others.iter().map(|file| std::fs::read_to_string(file).unwrap());
                    texts.into_iter().find_map(|text| Some(constant.captures(&text)?[1].to_owned())).unwrap()
                }
            };
            found.insert(format!("{} {path}", line[2].to_uppercase()));
        }
    }
    found
}

/// Operations of the description that this server answers at its own address: `METHOD path`.
fn described(server: &Server) -> BTreeSet<String> {
    let description = server.get("/api", &server.root).json();
    let mut found = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tags = operation["tags"].as_array();
            let is_here = |tag: &Value| ["metlog", "graphite", "jaeger", "zipkin"].contains(&tag.as_str().unwrap());
            if tags.is_some_and(|tags| tags.iter().any(is_here)) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

fn fill(server: &Server) {
    for (logger, payload) in [("sync", "fine"), (OTHER, SECRET)] {
        // The client library numbers what it sends and says who it is: `senders`.
        let config = metlog::Config::default().logger(logger).hostname(format!("{payload}-host"));
        let config = config.destination(server.running.address("metlog").as_str()).statsd(false);
        let client = metlog::Client::new(config).unwrap();
        let _ = client.message(payload).of_type("t").send();
        assert!(client.flush());
        let token = if logger == OTHER { "t-hunter2" } else { "t-fine" };
        let event = json!({
            "type": "event", "logger": logger, "payload": payload, "tokens": [token], "fields": {"who": payload},
            "metlog_hostname": format!("{payload}-host"), "env_version": "0.8",
        });
        server.running.send("metlog", &event.to_string());
    }
    server.running.send("metlog", &format!("{{broken {SECRET}"));
    server.running.send("statsd", "sync.requests:1|c\nbrowserid.hunter2:1|c\nbrowserid.requests:1|c|#who:hunter2\na.hunter2:5|ms|#logger:browserid,who:hunter2,hunter2-key:x");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let span = |trace: &str, id: u64, parent: Option<u64>, service: &str, name: &str| {
        let mut span = json!({
            "traceId": trace, "id": format!("{id:016x}"), "name": name, "timestamp": now - 1_000_000 + id, "duration": 500,
            "kind": "SERVER", "localEndpoint": {"serviceName": service}, "tags": {"who": name, format!("{name}-key"): name},
            "annotations": [{"timestamp": now - 1_000_000, "value": name}],
        });
        if service == OTHER {
            span["remoteEndpoint"] = json!({"serviceName": SECRET});
        }
        if let Some(parent) = parent {
            span["parentId"] = format!("{parent:016x}").into();
        }
        span
    };
    let spans = json!([
        span(SHARED, 1, None, "sync", "fine"),
        span(SHARED, 2, Some(1), OTHER, SECRET),
        span(SHARED, 3, Some(2), "sync", "fine"),
        span(ALONE, 4, None, OTHER, SECRET),
    ]);
    let kind = [("content-type", "application/json")];
    let sent = send(&server.running.address("zipkin"), "POST", "/api/v2/spans", &kind, &spans.to_string());
    assert_eq!(sent.status, 202, "{}", sent.body);
    let rows = |table: &str| {
        let rows = server.sql(&format!("select count(*) as n from {table}"), &server.root).json();
        rows[0]["n"].as_u64().unwrap()
    };
    until("all rows are seen", || rows("messages") == 4 && rows("metrics") == 4 && rows("spans") == 4);
    until("and what was rejected", || server.get("/api/rejected", &server.root).body.contains(SECRET));
}

/// The address of the message of `browserid`: `at=…&id=…`.
fn row(server: &Server) -> String {
    let page = server.get("/messages?filter=logger%3Dbrowserid", &server.root).body;
    let row = Regex::new(r"/messages/row\?[^\x22]*?(at=\d+)&amp;(id=[0-9a-f]+)").unwrap();
    let found = row.captures(&page).unwrap_or_else(|| panic!("{page}"));
    format!("{}&{}", &found[1], &found[2])
}

fn ask(server: &Server, method: &str, request: &str, token: &str) -> Response {
    let (path, body) = request.split_once(' ').unwrap_or((request, ""));
    let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("authorization", authorization.as_str())];
    if method == "POST" {
        headers.push(("content-type", kind));
    }
    server.ask(method, path, &headers, body)
}

/// Scenario: an admin asks, then a reader of `sync`, for each line of the tables; caches are warm by then.
/// Guarantees: no text that `browserid` sent, nor its name, is in what the reader gets; what is theirs is there.
#[test]
fn no_address_and_no_view_shows_what_others_sent() {
    let server = Server::with("zipkin = \"127.0.0.1:0\"\n", "");
    fill(&server);
    let lines = lines();
    let listed: BTreeSet<String> = lines.iter().map(|(of, ..)| of.clone()).collect();
    let there: BTreeSet<String> = described(&server).into_iter().chain(routes_of_views()).collect();
    assert_eq!(listed, there, "each address has a line here, and each line an address");
    assert!(reports().len() >= 9);
    let row = row(&server);
    let mut faults = Vec::new();
    for (of, expect, request) in &lines {
        let method = of.split(' ').next().unwrap();
        let request = request.replace("{row}", &row);
        let admin = ask(&server, method, &request, &server.root);
        let is_shown = |text: &str| text.contains(SECRET) || (!request.contains(OTHER) && text.contains(OTHER));
        if matches!(expect, Rows | NotTheirs) && !is_shown(&admin.body) {
            faults.push(format!("{method} {request}: shows an admin nothing: {} {}", admin.status, short(&admin.body)));
        }
        let reader = ask(&server, method, &request, &server.ann);
        if is_shown(&reader.body) || is_shown(&reader.head) {
            faults.push(format!("{method} {request}: {}", around(&reader.body)));
        }
        if reader.status >= 500 || admin.status >= 500 {
            faults.push(format!("{method} {request}: {} and {}", admin.status, reader.status));
        }
        if *expect == Refused && (admin.status, reader.status) != (200, 403) {
            faults.push(format!("{method} {request}: {} and {}", admin.status, reader.status));
        }
        if *expect == Rows && !(reader.body.contains("sync") || reader.body.contains("fine")) {
            faults.push(format!(
                "{method} {request}: shows the reader nothing of theirs: {} {}",
                reader.status,
                short(&reader.body)
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn short(text: &str) -> String {
    text.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect()
}

/// The place of a leak.
fn around(text: &str) -> String {
    let at = text.find(SECRET).or_else(|| text.find(OTHER)).unwrap_or_default();
    text.chars().skip(text[..at].chars().count().saturating_sub(150)).take(300).collect()
}

/// A field of protobuf: its bytes after their length.
fn bytes(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// A moment, in seconds since 1970.
fn moment(seconds: u64) -> Vec<u8> {
    let mut out = vec![1 << 3];
    let mut rest = seconds;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

/// Guarantees: the same of Jaeger's gRPC, each method that is routed.
#[test]
fn no_method_of_grpc_shows_what_others_sent() {
    let server = Server::with("zipkin = \"127.0.0.1:0\"\n", "");
    fill(&server);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let range = [bytes(4, &moment(now - 3_600)), bytes(5, &moment(now + 3_600)), vec![8 << 3, 10]].concat();
    let of_service = |service: &str| bytes(1, &[bytes(1, service.as_bytes()), range.clone()].concat());
    let calls = [
        ("GetTrace", bytes(1, b"11"), true),
        ("GetTrace", bytes(1, b"22"), false),
        ("FindTraces", bytes(1, &range), true),
        ("FindTraces", of_service(OTHER), false),
        ("FindTraceSummaries", bytes(1, &range), true),
        ("GetServices", Vec::new(), true),
        ("GetOperations", bytes(1, OTHER.as_bytes()), false),
        ("GetDependencies", [bytes(1, &moment(now - 3_600)), bytes(2, &moment(now + 3_600))].concat(), false),
    ];
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../query/src/jaeger/grpc.rs")).unwrap();
    let routed = Regex::new(r#"path\("([A-Za-z]+)"\)"#).unwrap();
    let routed: BTreeSet<String> = routed.captures_iter(&source).map(|found| found[1].to_owned()).collect();
    assert_eq!(calls.iter().map(|(method, ..)| (*method).to_owned()).collect::<BTreeSet<_>>(), routed);
    for (method, message, is_shared) in calls {
        let framed = [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat();
        let path = format!("/jaeger.api_v3.QueryService/{method}");
        let ask = |token: &str| {
            let authorization = format!("Bearer {token}");
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/grpc")];
            send_bytes(&server.running.http(), "POST", &path, &headers, &framed)
        };
        let (admin, reader) = (ask(&server.root), ask(&server.ann));
        assert!(admin.body.contains(SECRET) || admin.body.contains(OTHER), "{method}: {} {:?}", admin.head, admin.body);
        assert!(!reader.body.contains(SECRET) && !reader.body.contains(OTHER), "{method}: {:?}", reader.body);
        assert_eq!(reader.body.contains("sync"), is_shared, "{method}: {} {:?}", reader.head, reader.body);
    }
}
