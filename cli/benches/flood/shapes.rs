//! What is sent: the shapes of real traffic, each at its rate.
use metlog_schemas::time::civil_from_days;
use metlog_schemas::wire::v1::{Draft, Encoder};
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DATAGRAM_BYTES: usize = 1_432;
const STEADY_MESSAGES_PER_SECOND: u64 = 300_000;
const JAEGER_SPANS_PER_SECOND: u64 = 200_000;
const STATSD_LINES_PER_SECOND: u64 = 2_500_000;
/// Real Metlog messages, one a line, seen from this package's folder. They are not part of the project.
const REAL_MESSAGES: &str = "../../shared/corpus/metlog/metrics_hdfs.log";

/// A port of the process.
#[derive(Clone, Copy)]
pub enum To {
    Metlog,
    Statsd,
    Jaeger,
}

/// One kind of traffic.
pub struct Shape {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, for a table.
    pub what: &'static str,
    /// Where it goes.
    pub to: To,
    /// Sends until then, and says how many messages or values went.
    pub send: fn(&UdpSocket, Instant) -> u64,
}

/// All of them.
pub const SHAPES: [Shape; 8] = [
    Shape {
        name: "statsd",
        what: "statsd, 1,432-byte datagrams, 36 % timers, 2.5 million lines a second",
        to: To::Statsd,
        send: |socket, until| send_lines(socket, until, DATAGRAM_BYTES, Some(STATSD_LINES_PER_SECOND)),
    },
    Shape {
        name: "statsd-flood",
        what: "statsd, 1,432-byte datagrams, 36 % timers, as fast as it can be sent",
        to: To::Statsd,
        send: |socket, until| send_lines(socket, until, DATAGRAM_BYTES, None),
    },
    Shape {
        name: "statsd-single",
        what: "statsd, one line a datagram, as fast as it can be sent",
        to: To::Statsd,
        send: |socket, until| send_lines(socket, until, 0, None),
    },
    Shape {
        name: "json",
        what: "Metlog JSON, nested fields, one a datagram",
        to: To::Metlog,
        send: |socket, until| send_json(socket, nested_datagrams(), until),
    },
    Shape {
        name: "json-flat",
        what: "Metlog JSON, flat, one a datagram",
        to: To::Metlog,
        send: |socket, until| send_json(socket, json_datagrams(false), until),
    },
    Shape {
        name: "wire",
        what: "wire messages, three tokens and 100 bytes of payload",
        to: To::Metlog,
        send: |socket, until| send_wire(socket, until, None),
    },
    Shape {
        name: "steady",
        what: "wire messages, three tokens and 100 bytes of payload, 300,000 a second",
        to: To::Metlog,
        send: |socket, until| send_wire(socket, until, Some(STEADY_MESSAGES_PER_SECOND)),
    },
    Shape {
        name: "jaeger",
        what: "Jaeger compact, 20 spans a datagram with four tags each, 200,000 spans a second",
        to: To::Jaeger,
        send: |socket, until| crate::jaeger::send(socket, until, JAEGER_SPANS_PER_SECOND),
    },
];

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// Waits where more was sent than the rate allows.
fn pace(begun: Instant, sent: u64, per_second: Option<u64>) {
    let due = per_second.map(|rate| Duration::from_secs_f64(sent as f64 / rate as f64));
    if let Some(ahead) = due.and_then(|due| due.checked_sub(begun.elapsed())) {
        std::thread::sleep(ahead);
    }
}

/// A line of statsd as a service has them: of 1,000 names, 36 of 100 lines are timers, 54 counters, 8 gauges, 2 sets.
fn line(n: usize) -> String {
    match n * 61 % 100 {
        0..36 => format!("svc.request{}.time:{}.{}|ms\n", n % 360, n % 97, n % 10),
        36..90 => format!("svc.page{}.hits:{}|c\n", n % 540, 1 + n % 3),
        90..98 => format!("svc.queue{}.depth:{}|g\n", n % 80, n % 1_000),
        _ => format!("svc.users{}:{}|s\n", n % 20, n % 5_000),
    }
}

/// Lines in datagrams of at most `bytes`, or one in each; with each, how many it holds.
fn statsd_datagrams(bytes: usize) -> Vec<(Vec<u8>, u64)> {
    let mut datagrams: Vec<(Vec<u8>, u64)> = vec![Default::default()];
    for n in 0..50_000 {
        let line = line(n);
        match datagrams.last_mut() {
            Some((last, lines)) if *lines == 0 || last.len() + line.len() <= bytes => {
                last.extend_from_slice(line.as_bytes());
                *lines += 1;
            }
            _ => datagrams.push((line.into_bytes(), 1)),
        }
    }
    datagrams
}

fn send_lines(socket: &UdpSocket, until: Instant, bytes: usize, per_second: Option<u64>) -> u64 {
    let (begun, mut sent) = (Instant::now(), 0);
    for (datagram, lines) in statsd_datagrams(bytes).iter().cycle() {
        if socket.send(datagram).is_ok() {
            sent += lines;
        }
        pace(begun, sent, per_second);
        if Instant::now() > until {
            break;
        }
    }
    sent
}

/// The real messages, each as it is: all of them are of one hour, so they make one partition, as a stream does.
fn real_datagrams() -> Option<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(REAL_MESSAGES).ok()?;
    let datagrams: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(|line| line.as_bytes().to_vec()).collect();
    (!datagrams.is_empty()).then_some(datagrams)
}

/// Nested ones: the real ones where there are any.
fn nested_datagrams() -> Vec<Vec<u8>> {
    real_datagrams().unwrap_or_else(|| json_datagrams(true))
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
            pace(begun, sent, per_second);
        }
    }
    sent
}

/// Sends Metlog JSON, each message with the time at which it goes, as live services do: its other parts stay.
fn send_json(socket: &UdpSocket, mut datagrams: Vec<Vec<u8>>, until: Instant) -> u64 {
    let key = b"\"timestamp\":\"";
    let place = |datagram: &Vec<u8>| {
        datagram.windows(key.len()).position(|at| at == key).expect("a message has a timestamp") + key.len()
    };
    let places: Vec<usize> = datagrams.iter().map(place).collect();
    let (mut sent, mut second, mut text) = (0, 0, String::new());
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
        sent += u64::from(socket.send(&datagrams[at]).is_ok());
        if Instant::now() > until {
            break;
        }
    }
    sent
}
