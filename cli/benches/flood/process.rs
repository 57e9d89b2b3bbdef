//! A `metlog up` of its own for each run, and what Linux and its ledger tell about it.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running binary; it is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Port for messages.
    pub metlog: u16,
    /// Port for statsd.
    pub statsd: u16,
    /// Port for Jaeger, compact.
    pub jaeger: u16,
    http: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Process {
    /// Starts `binary` with the journal on, an empty folder, and windows of `window`.
    pub fn start(binary: &Path, folder: &Path, window: &str) -> Process {
        let [metlog, statsd, jaeger, http] = [(); 4].map(|()| free_port());
        let config = folder.join("metlog.toml");
        let text = format!(
            "data = \"{}/data\"\n[listener]\nmetlog = \"127.0.0.1:{metlog}\"\nstatsd = \"127.0.0.1:{statsd}\"\n\
             jaeger_compact = \"127.0.0.1:{jaeger}\"\n\
             [statsd]\nflush_interval = \"{window}\"\n[sink.parquet]\nroll_after = \"2s\"\n[query]\nlisten = \"127.0.0.1:{http}\"\n",
            folder.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(binary);
        command.args(["up", "--config"]).arg(&config).stdout(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let process = Process { child, metlog, statsd, jaeger, http };
        while TcpStream::connect(("127.0.0.1", http)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        process
    }

    /// The ledger, as the server tells it.
    pub fn ledger(&self) -> serde_json::Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).unwrap();
        stream.write_all(b"GET /api/ledger HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// The ledger once it holds nothing any more.
    pub fn drained(&self) -> serde_json::Value {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let ledger = self.ledger();
            if ledger["held"] == 0 {
                return ledger;
            }
        }
    }

    /// User and system time of the process in seconds, from Linux.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        ticks as f64 / 100.0
    }

    /// The most memory that the process had at once, in MiB, and that of the processes that it began.
    pub fn peak_mib(&self) -> u64 {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(id).chain(children).filter_map(peak_kib).sum::<u64>() / 1024
    }
}

fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
