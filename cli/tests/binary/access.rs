//! Who may ask: every way to say who one is, every path, and what a reader of one logger is told of another one.
use crate::running::{Running, metlog, run, stdout_of, until, with_stdin};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Of the logger that `ann` must not see.
const SECRET: &str = "hunter2";

/// A status, the head and the body.
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    send_bytes(address, method, path, headers, body.as_bytes())
}

/// Likewise; what of the response is no text is replaced.
pub fn send_bytes(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(&[format!("{request}\r\n").as_bytes(), body].concat()).unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Response {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// The line of a password, as the command prints it.
fn password(text: &str) -> String {
    let output = with_stdin(&["password"], format!("{text}\n").as_bytes());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A token, and the lines that let it in.
fn token(arguments: &[&str]) -> (String, String) {
    let lines = stdout_of(&[&["token"], arguments].concat());
    let token = lines.lines().find_map(|line| line.strip_prefix("#   ")).unwrap().to_owned();
    (token, lines)
}

/// Users: ann, a reader of `sync`; root, an admin. Tokens likewise, and one that has expired.
pub struct Server {
    pub running: Running,
    pub ann: String,
    pub root: String,
    old: String,
}

impl Server {
    fn start(more: &str) -> Server {
        Server::with("", more)
    }

    /// With lines of `[listener]`, and others behind the rest.
    pub fn with(listener: &str, more: &str) -> Server {
        let (ann, ann_lines) = token(&["--loggers", "sync", "ann's"]);
        let (root, root_lines) = token(&["--role", "admin", "root's"]);
        let (old, old_lines) = token(&["--expires", "2020-01-01", "old"]);
        let (password_of_ann, password_of_root) = (password("a:n n"), password("r\u{f6}\u{f6}t"));
        let users = format!(
            "[[access.users]]\nname = \"ann\"\n{password_of_ann}loggers = [\"sync\"]\n\
             [[access.users]]\nname = \"root\"\nrole = \"admin\"\n{password_of_root}"
        );
        let running = Running::up(&format!("{listener}---\n{ann_lines}{root_lines}{old_lines}{users}{more}"));
        Server { running, ann, root, old }
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        send(&self.running.http(), method, path, headers, body)
    }

    pub fn get(&self, path: &str, token: &str) -> Response {
        self.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], "")
    }

    pub fn sql(&self, sql: &str, token: &str) -> Response {
        let body = json!({"query": sql}).to_string();
        self.ask("POST", "/api/sql", &[("authorization", &format!("Bearer {token}"))], &body)
    }

    /// Messages of two loggers, and a metric of each.
    fn fill(&self) {
        for (logger, payload) in [("sync", "fine"), ("browserid", SECRET)] {
            let to = self.running.address("metlog");
            stdout_of(&["send", "--to", &to, "--type", "t", "--logger", logger, payload]);
        }
        self.running.send("statsd", "sync.requests:1|c\nbrowserid.hunter2:1|c");
        let rows = |sql: &str| self.sql(sql, &self.root).json()[0]["n"].as_u64();
        until("messages are seen", || rows("select count(*) as n from messages") == Some(2));
        until("the window is closed", || rows("select count(*) as n from metrics") == Some(2));
    }
}

#[test]
fn who_does_not_say_who_asks_is_refused() {
    let server = Server::start("");
    let with = |headers: &[(&str, &str)]| server.ask("GET", "/api/ledger", headers, "").status;
    assert_eq!(with(&[]), 401);
    let basic = |text: &str| format!("Basic {}", base64(text));
    for (authorization, expected) in [
        (format!("Bearer {}", server.root), 200),
        (format!("bearer {}", server.root), 200),
        (format!("Bearer {}", server.old), 401),
        (format!("Bearer {}x", server.root), 401),
        ("Bearer".to_owned(), 401),
        ("Digest x".to_owned(), 401),
        (basic("root:r\u{f6}\u{f6}t"), 200),
        (basic("root:root"), 401),
        (basic("nobody:x"), 401),
        (basic("root"), 401),
        // A reader of some loggers sees no totals.
        (basic("ann:a:n n"), 403),
    ] {
        assert_eq!(with(&[("authorization", &authorization)]), expected, "{authorization}");
    }
    let refused = server.ask("GET", "/api/ledger", &[], "");
    assert!(refused.head.contains("www-authenticate: basic") && refused.head.contains("www-authenticate: bearer"));
    let script = server.ask("GET", "/api/ledger", &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")], "");
    assert!(!script.head.contains("basic"), "a browser would ask in a window of its own");
    let page = server.ask("GET", "/messages?from=-1h", &[("accept", "text/html,*/*")], "");
    assert_eq!(page.status, 303);
    assert!(page.head.contains("location: /login?next=%2fmessages%3ffrom%3d%2d1h"), "{}", page.head);
    // Whether it is up may be asked by everybody, what is wrong not.
    assert_eq!(server.ask("GET", "/health", &[], "").json(), json!({"ok": true, "problems": [], "warnings": []}));
    for path in
        ["/", "/api", "/api/sql", "/api/senders", "/api/tail", "/api/sinks", "/metrics", "/api/user", "/nothing"]
    {
        assert_eq!(server.ask("GET", path, &[], "").status, 401, "{path}");
    }
}

/// Guarantees: a session is begun by the form, is that of its cookie, and ends when its user logs out.
#[test]
fn people_log_in_by_a_form() {
    let server = Server::start("");
    let form = server.ask("GET", "/login?next=/messages", &[], "");
    assert!(form.status == 200 && form.body.contains("value=\"/messages\""), "{}", form.body);
    let hostile = server.ask("GET", "/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", &[], "");
    assert!(!hostile.body.contains("<script>"), "{}", hostile.body);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let wrong = server.ask("POST", "/login", &[kind], "user=ann&password=x&next=/messages");
    assert_eq!(wrong.status, 401);
    assert!(!wrong.head.contains("set-cookie"));
    let right = server.ask("POST", "/login", &[kind], "user=ann&password=a%3An+n&next=//evil.example.org");
    assert_eq!(right.status, 303);
    assert!(right.head.contains("location: /\r\n"), "{}", right.head);
    let cookie = right.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("; httponly; samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let user = |headers: &[(&str, &str)]| server.ask("GET", "/api/user", headers, "");
    let expected = json!({"user": "ann", "role": "reader", "loggers": ["sync"]});
    assert_eq!(user(&[("cookie", cookie)]).json(), expected);
    assert_eq!(user(&[("cookie", "metlog_session=0")]).status, 401);
    // Their name and a way out are on each page; who sends a token has nothing to end.
    let overview = server.ask("GET", "/", &[("cookie", cookie)], "").body;
    assert!(overview.contains("sees the loggers sync") && overview.contains("action=\"/logout\""), "{overview}");
    let by_token = server.get("/", &server.root).body;
    assert!(by_token.contains("class=\"user\"") && !by_token.contains("/logout"), "{by_token}");
    // A page of another site may neither use the cookie nor end the session.
    let foreign = [("cookie", cookie), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(server.ask("POST", "/logout", &foreign, "").status, 403);
    // Nor log somebody in, whose queries another one could read later.
    let foreign_login =
        [kind, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let login = server.ask("POST", "/login", &foreign_login, "user=ann&password=a%3An+n");
    assert!(login.status == 403 && !login.head.contains("set-cookie"), "{}", login.head);
    let old_browser = [("cookie", cookie), ("host", "127.0.0.1"), ("origin", "http://evil.example.org")];
    assert_eq!(server.ask("POST", "/api/sql", &old_browser, "{\"query\": \"select 1\"}").status, 403);
    assert_eq!(server.ask("POST", "/logout", &[("cookie", cookie)], "").status, 303);
    assert_eq!(user(&[("cookie", cookie)]).status, 401);
    // The cookie of a session that is over leads to the login, which says so, and back.
    let over = server.ask("GET", "/explore?sql=select+1", &[("cookie", cookie), ("accept", "text/html")], "");
    assert!(over.status == 303 && over.head.contains("location: /login?next=%2fexplore"), "{}", over.head);
    assert!(server.ask("GET", "/login", &[("cookie", cookie)], "").body.contains("session has ended"));
    assert!(!server.ask("GET", "/login", &[], "").body.contains("session has ended"));
}

/// Scenario: a page of another site, also one whose name leads to loopback, and no authentication.
#[test]
fn pages_of_other_sites_reach_nothing() {
    let running = Running::up("");
    let status = |method: &str, headers: &[(&str, &str)]| {
        send(&running.http(), method, "/api/sql", headers, "{\"query\": \"select 1\"}").status
    };
    assert_eq!(status("POST", &[("host", "127.0.0.1")]), 200);
    assert_eq!(status("POST", &[("host", "rebound.example.org:5580")]), 421);
    assert_eq!(status("POST", &[("host", "127.0.0.1"), ("origin", "http://evil.example.org")]), 403);
    assert_eq!(status("POST", &[("host", "127.0.0.1"), ("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(status("POST", &[("authorization", "Basic eDp5"), ("sec-fetch-site", "cross-site")]), 403);
    let refused = send(&running.http(), "GET", "/metrics", &[("host", "rebound.example.org")], "");
    assert!(refused.body.contains("`hosts` in [access]"), "{}", refused.body);
}

/// Scenario: a reader of `sync` tries each path and many queries.
/// Guarantees: nothing that `browserid` sent is in any response.
#[test]
fn a_reader_of_one_logger_learns_nothing_of_another() {
    let server = Server::start("");
    server.fill();
    let ann = |path: &str| server.get(path, &server.ann);
    for path in ["/api/ledger", "/api/sinks", "/api/rejected", "/metrics"] {
        let refused = ann(path);
        assert_eq!((refused.status, &refused.json()["error"]["kind"]), (403, &json!("forbidden")), "{path}");
        assert_eq!(server.get(path, &server.root).status, 200, "{path}");
    }
    let senders = ann("/api/senders").json();
    assert!(senders.as_array().unwrap().iter().all(|sender| sender["logger"] == "sync"), "{senders}");
    for (sql, expected) in [
        ("select logger, payload from messages", json!([{"logger": "sync", "payload": "fine"}])),
        ("select name from metrics", json!([{"name": "sync.requests"}])),
        ("select count(*) as n from messages where payload = 'hunter2'", json!([{"n": 0}])),
        ("select count(*) as n, max(payload) as m from messages", json!([{"n": 1, "m": "fine"}])),
        ("select count(*) as n from senders where logger <> 'sync'", json!([{"n": 0}])),
    ] {
        assert_eq!(server.sql(sql, &server.ann).json(), expected, "{sql}");
    }
    for sql in ["explain analyze select * from messages", "explain verbose select * from messages"] {
        assert_eq!(server.sql(sql, &server.ann).status, 403, "{sql}");
    }
    // The commands say who asks as well.
    let http = server.running.http();
    let output = metlog()
        .args(["query", "--server", &http, "select payload from messages"])
        .env("METLOG_TOKEN", &server.ann)
        .output();
    let table = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(table.contains("fine") && !table.contains(SECRET), "{table}");
    let refused = run(&["query", "--server", &http, "select 1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("authentication is required"));
    stdout_of(&["status", "--server", &http, "--access-token", &server.root]);
}

/// Guarantees: rows that arrive are shown to those who may see them.
#[test]
fn tail_shows_the_rows_of_ones_loggers() {
    let server = Server::start("");
    let mut stream = TcpStream::connect(server.running.http()).unwrap();
    write!(stream, "GET /api/tail HTTP/1.0\r\nauthorization: Bearer {}\r\n\r\n", server.ann).unwrap();
    let mut text = String::new();
    let mut chunk = [0u8; 4096];
    until("the row comes", || {
        for (logger, payload) in [("browserid", SECRET), ("sync", "fine")] {
            let message = json!({"type": "t", "logger": logger, "payload": payload, "env_version": "0.8"});
            server.running.send("metlog", &message.to_string());
        }
        stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let read = stream.read(&mut chunk).unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        text.contains("fine")
    });
    assert!(!text.contains(SECRET), "{text}");
}

/// Guarantees: the header of a proxy counts where it comes from that proxy, and names a configured user.
#[test]
fn a_trusted_proxy_says_who_asks() {
    let proxied = "[access]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let users = "[[access.users]]\nname = \"ann\"\nloggers = [\"sync\"]\n";
    let running = Running::up(&format!("{proxied}{users}"));
    let user = |headers: &[(&str, &str)]| send(&running.http(), "GET", "/api/user", headers, "");
    assert_eq!(user(&[("x-forwarded-user", "ann")]).json()["loggers"], json!(["sync"]));
    assert_eq!(user(&[("x-forwarded-user", "eve")]).status, 403);
    assert_eq!(user(&[]).status, 401);
    let untrusted = "[access]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    let running = Running::up(&format!("{untrusted}{users}"));
    assert_eq!(send(&running.http(), "GET", "/api/user", &[("x-forwarded-user", "ann")], "").status, 401);
}

/// Guarantees: nobody serves everything to a network by mistake.
#[test]
fn an_address_beyond_loopback_needs_authentication() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let file = folder.path().join("metlog.toml");
        std::fs::write(&file, text).unwrap();
        let output = run(&["check", "--config", file.to_str().unwrap()]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, message) = check("[query]\nlisten = [\"127.0.0.1:5580\", \"0.0.0.0:5581\"]\n");
    assert_eq!(code, Some(2));
    assert!(message.contains("2:10: query.listen: everybody who reaches 0.0.0.0:5581"), "{message}");
    assert_eq!(check("[query]\nlisten = \"0.0.0.0:5580\"\n[access]\ninsecure = true\n").0, Some(0));
    let (_, lines) = token(&["x"]);
    assert_eq!(check(&format!("[query]\nlisten = \"0.0.0.0:5580\"\n{lines}")).0, Some(0));
    for (wrong, message) in [
        ("[[access.users]]\nname = \"a\"\n", "access.users[0].password: is required"),
        ("[[access.users]]\nname = \"a\"\npassword = \"secret\"\n", "must be an argon2id hash"),
        ("[[access.tokens]]\nname = \"a\"\nsha256 = \"12\"\n", "must be 64 hexadecimal digits"),
        ("[access]\ntrusted_proxies = [\"proxy\"]\n", "`proxy` is no address"),
        ("[access.tls]\nkey = \"k\"\n", "needs a `certificate` as well"),
    ] {
        let (code, said) = check(wrong);
        assert!(code == Some(2) && said.contains(message), "{wrong}: {said}");
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Guarantees: with a certificate the address speaks TLS, the commands trust what they are told to, and cookies are of TLS only.
#[test]
fn tls_is_served_and_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(made.unwrap().status.success());
    let (token, lines) = token(&["x"]);
    let running = Running::up(&format!("{lines}[access.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"));
    let address = running.http().trim_start_matches("https://").to_owned();
    let server = format!("https://{address}");
    let ask = |more: &[&str]| {
        run(&[&["query", "--server", &server, "--access-token", &token, "--format", "csv"], more, &["select 1 as n"]]
            .concat())
    };
    let trusted = ask(&["--ca-file", certificate.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&trusted.stdout), "n\n1\n", "{}", String::from_utf8_lossy(&trusted.stderr));
    assert_eq!(ask(&[]).status.code(), Some(1), "nobody vouches for it");
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}
