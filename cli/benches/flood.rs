//! A whole listener, flooded over loopback: messages for each CPU second of its process, and its memory.
//!
//!     cargo bench -p metlog-cli --bench flood [-- statsd|wire|json|json-flat|paced]
//!
//! It runs `metlog up` with the journal on and an empty folder, sends from the one thread of this process for some
//! seconds, waits until the ledger holds nothing, and divides what was received by the user and system time of
//! the listener's process. `paced` sends 300,000 wire messages a second and tells memory and loss. `json` sends the
//! real messages of [`REAL_MESSAGES`] where that file is there, or else ones made like them; with the time of sending.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run shall say where")]
use metlog_schemas::time::civil_from_days;
use metlog_schemas::wire::v1::{Draft, Encoder};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SECONDS: u64 = 8;
const PACED_MESSAGES_PER_SECOND: u64 = 300_000;
const DATAGRAM_BYTES: usize = 1_432;
/// Real Metlog messages, one a line, seen from this package's folder. They are not part of the project.
const REAL_MESSAGES: &str = "../../shared/corpus/metlog/metrics_hdfs.log";

struct Listener {
    child: Child,
    metlog: u16,
    statsd: u16,
    http: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Listener {
    fn start(folder: &Path) -> Listener {
        let (metlog, statsd, http) = (free_port(), free_port(), free_port());
        let config = folder.join("metlog.toml");
        let text = format!(
            "data = \"{}/data\"\n[listener]\nmetlog = \"127.0.0.1:{metlog}\"\nstatsd = \"127.0.0.1:{statsd}\"\n\
             [statsd]\nflush_interval = \"1s\"\n[sink.parquet]\nroll_after = \"2s\"\n[query]\nlisten = \"127.0.0.1:{http}\"\n",
            folder.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_metlog"))
            .args(["up", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let listener = Listener { child, metlog, statsd, http };
        while TcpStream::connect(("127.0.0.1", http)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        listener
    }

    fn ledger(&self) -> serde_json::Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        stream.write_all(b"GET /api/ledger HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// User and system time in seconds, from Linux.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        ticks as f64 / 100.0
    }

    fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// 1,000 names, counters and timers as a service has them.
fn statsd_datagrams() -> Vec<Vec<u8>> {
    let mut datagrams = vec![Vec::new()];
    for n in 0..20_000 {
        let line = if n % 4 == 0 {
            format!("svc.req{}:{}|ms\n", n % 500, n % 97)
        } else {
            format!("svc.hit{}:1|c\n", n % 500)
        };
        if datagrams.last().unwrap().len() + line.len() > DATAGRAM_BYTES {
            datagrams.push(Vec::new());
        }
        datagrams.last_mut().unwrap().extend_from_slice(line.as_bytes());
    }
    datagrams
}

/// The real messages, each as it is: all of them are of one hour, so they make one partition, as a stream does.
fn real_datagrams() -> Option<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(REAL_MESSAGES).ok()?;
    let datagrams: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(|line| line.as_bytes().to_vec()).collect();
    (!datagrams.is_empty()).then_some(datagrams)
}

/// Nested ones: the real ones where there are any.
fn nested_datagrams() -> Vec<Vec<u8>> {
    let (from, datagrams) = match real_datagrams() {
        Some(real) => (REAL_MESSAGES, real),
        None => ("made up, since the real ones are not there", json_datagrams(true)),
    };
    let bytes: usize = datagrams.iter().map(Vec::len).sum();
    println!("json: {} messages of {} bytes on average: {from}", datagrams.len(), bytes / datagrams.len());
    datagrams
}

fn json_datagrams(nested: bool) -> Vec<Vec<u8>> {
    let headers = r#"{"headers":{"path":"/1.0/11224/apps/","host":"dev-5.services.example.com:443","User-Agent":""},"threadlocal":{}}"#;
    let fields = if nested { headers } else { r#"{"path":"/1.0/11224/apps/","status":"200"}"# };
    let message = |n: usize| {
        let at = UNIX_EPOCH.elapsed().unwrap().as_secs() % 60;
        format!(
            r#"{{"severity":6,"timestamp":"2026-01-02T03:04:{at:02}.{n:06}","metlog_hostname":"app1.web.dev.svc.example.com","fields":{fields},"metlog_pid":26482,"logger":"","type":"wsgi","payload":"","env_version":"0.8"}}"#
        )
        .into_bytes()
    };
    (0..1_000).map(message).collect()
}

/// Sends wire datagrams of messages with three tokens and 100 bytes of payload; how many messages went.
fn send_wire(socket: &UdpSocket, until: Instant, per_second: Option<u64>) -> u64 {
    let mut encoder = Encoder::new(DATAGRAM_BYTES, now() as u64, 1, "app1.web.dev.svc.example.com", "shop", None);
    let payload = "x".repeat(100);
    let (mut sent, mut sequence, begun) = (0u64, 0, Instant::now());
    while Instant::now() < until {
        let at = now();
        let draft = Draft { timestamp: at, r#type: "checkout", payload: &payload, ..Draft::default() };
        if encoder.push(at, &draft, ["browserid", "login", "success"].into_iter(), [].into_iter()).is_err() {
            let messages = u64::from(encoder.messages());
            if socket.send(encoder.finish(sequence, 0)).is_ok() {
                sent += messages;
                sequence += 1;
            }
            encoder.clear();
            let due = per_second.map(|rate| Duration::from_secs_f64(sent as f64 / rate as f64));
            if let Some(ahead) = due.and_then(|due| due.checked_sub(begun.elapsed())) {
                std::thread::sleep(ahead);
            }
        }
    }
    sent
}

/// Sends Metlog JSON, each message with the time at which it goes, as live services do: its other parts stay.
fn send_json(socket: &UdpSocket, mut datagrams: Vec<Vec<u8>>, until: Instant) {
    let key = b"\"timestamp\":\"";
    let place = |datagram: &Vec<u8>| {
        datagram.windows(key.len()).position(|at| at == key).expect("a message has a timestamp") + key.len()
    };
    let places: Vec<usize> = datagrams.iter().map(place).collect();
    let (mut second, mut text) = (0, String::new());
    for at in (0..datagrams.len()).cycle() {
        let time = now();
        if time / 1_000_000 != second {
            second = time / 1_000_000;
            let (year, month, day) = civil_from_days(second / 86_400);
            let [hours, minutes, seconds] = [second / 3_600 % 24, second / 60 % 60, second % 60];
            text = format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.");
        }
        let stamp = &mut datagrams[at][places[at]..places[at] + 26];
        stamp[..20].copy_from_slice(text.as_bytes());
        let mut micros = time % 1_000_000;
        for digit in stamp[20..].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        let _ = socket.send(&datagrams[at]);
        if Instant::now() > until {
            return;
        }
    }
}

fn send_all(socket: &UdpSocket, datagrams: &[Vec<u8>], until: Instant) {
    for datagram in datagrams.iter().cycle() {
        let _ = socket.send(datagram);
        if Instant::now() > until {
            return;
        }
    }
}

fn run(what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let listener = Listener::start(folder.path());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", if what == "statsd" { listener.statsd } else { listener.metlog })).unwrap();
    let before = listener.cpu_seconds();
    let until = Instant::now() + Duration::from_secs(SECONDS);
    match what {
        "statsd" => send_all(&socket, &statsd_datagrams(), until),
        "json" => send_json(&socket, nested_datagrams(), until),
        "json-flat" => send_json(&socket, json_datagrams(false), until),
        "paced" => drop(send_wire(&socket, until, Some(PACED_MESSAGES_PER_SECOND))),
        _ => drop(send_wire(&socket, until, None)),
    }
    let ledger = loop {
        std::thread::sleep(Duration::from_millis(200));
        let ledger = listener.ledger();
        if ledger["held"] == 0 {
            break ledger;
        }
    };
    let cpu = listener.cpu_seconds() - before;
    let received = ledger["received"].as_u64().unwrap();
    println!(
        "{what:<10} {received:>11} received in {SECONDS} s, {cpu:>6.2} CPU s: {:>6.2} million a CPU second; peak {} MiB; {} datagrams lost, {} dropped by the kernel, {} rejected",
        received as f64 / cpu / 1e6,
        listener.peak_mib(),
        ledger["lost"],
        ledger["dropped_by_kernel"],
        ledger["rejected"],
    );
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for what in ["statsd", "wire", "json", "json-flat", "paced"] {
        if asked.is_empty() || asked.iter().any(|asked| asked == what) {
            run(what);
        }
    }
}
