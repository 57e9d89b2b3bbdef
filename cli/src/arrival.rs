//! Whether what was sent has arrived: the server's own count, beside ours.
//!
//! Datagrams of wire v1 are counted by their sender's row, which is exact. Metlog JSON has no sender: of it is only known
//! how many messages the server received meanwhile, from anybody, and what the kernel dropped.
use crate::arguments::ServerOptions;
use crate::ask::{Server, runtime};
use crate::config::PORT_QUERY;
use crate::failure::Failure;
use crate::plural::{counted, verb};
use metlog_schemas::wire::limits::PORT_METLOG;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Nothing more is expected when nothing came for so long.
const QUIET: Duration = Duration::from_secs(1);
/// How often the server is asked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A server that can be asked what has arrived.
#[derive(Debug)]
pub struct Arrival {
    server: Server,
    runtime: Runtime,
}

/// A sender as the server sees it. All zero where it does not know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Datagrams taken, each once.
    pub datagrams: u64,
    /// Datagrams that came again, and were not taken again.
    pub duplicates: u64,
}

/// What the server counted when sending began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Before {
    received: u64,
    #[serde(default)]
    dropped_by_kernel: u64,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Who sent it.
    pub sender: u64,
    /// Datagrams with a number.
    pub datagrams: u64,
    /// All messages, with those in numbered datagrams.
    pub messages: u64,
    /// Metlog JSON, which has no number.
    pub json: u64,
}

#[derive(Deserialize)]
struct Bound {
    name: String,
    address: String,
}

impl Arrival {
    /// The server that was named, or the one of this host that listens at `to`; `None` where none is known.
    ///
    /// # Errors
    /// A server that was named and is none.
    pub fn of(options: &ServerOptions, to: &str) -> Result<Option<Arrival>, Failure> {
        let runtime = runtime()?;
        if options.server.is_some() || options.config.is_some() {
            return Ok(Some(Arrival { server: Server::of(options)?, runtime }));
        }
        let Some(address) = beside(to) else { return Ok(None) };
        let server = Server::of(&ServerOptions { server: Some(address.to_string()), ..options.clone() })?;
        let arrival = Arrival { server, runtime };
        let bound: Result<Vec<Bound>, Failure> = arrival.get("/api/addresses", &[]);
        let listens =
            bound.is_ok_and(|bound| bound.iter().any(|bound| bound.name == "metlog" && is_at(&bound.address, to)));
        Ok(listens.then_some(arrival))
    }

    /// Its address, for messages.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// What is counted now, before anything is sent.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn begin(&self) -> Result<Before, Failure> {
        self.get("/api/ledger", &[])
    }

    /// How the server sees a sender.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn row(&self, sender: u64) -> Result<Row, Failure> {
        #[derive(Deserialize)]
        struct Named {
            sender: String,
            #[serde(flatten)]
            row: Row,
        }
        let sender = format!("{sender:016x}");
        // A server of before gives all of them.
        let rows: Vec<Named> = self.get("/api/senders", &[("sender", &sender)])?;
        Ok(rows.into_iter().find(|row| row.sender == sender).map(|named| named.row).unwrap_or_default())
    }

    /// Waits until all is there or nothing more comes, and says so.
    ///
    /// # Errors
    /// Where something is missing, or the server does not answer.
    pub fn compare(&self, before: &Before, sent: &Sent) -> Result<String, Failure> {
        let mut found = (Row::default(), *before);
        let mut changed = Instant::now();
        loop {
            let now = (self.row(sent.sender)?, self.begin()?);
            if now != found {
                (found, changed) = (now, Instant::now());
            }
            let missing = missing(before, sent, &found.0, &found.1);
            if missing.is_none() {
                return Ok(format!("{} received all of it", self.address()));
            }
            if let Some(missing) = missing.filter(|_| changed.elapsed() > QUIET) {
                return Err(Failure::failed(format!("not all of it arrived at {}: {missing}", self.address())));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str, pairs: &[(&str, &str)]) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let response = self.server.get_soon(path, pairs).await?;
            if !response.status().is_success() {
                return Err(self.server.refusal(response).await);
            }
            let unreadable = |error| Failure::failed(format!("{}{path}: {error}", self.server.address()));
            response.json().await.map_err(unreadable)
        })
    }
}

/// What has not arrived, in words.
fn missing(before: &Before, sent: &Sent, row: &Row, now: &Before) -> Option<String> {
    let datagrams = sent.datagrams.saturating_sub(row.datagrams);
    let messages = sent.messages.saturating_sub(now.received.saturating_sub(before.received));
    let dropped = now.dropped_by_kernel.saturating_sub(before.dropped_by_kernel);
    if datagrams > 0 {
        let all = counted(sent.datagrams, "datagram");
        let least =
            if messages > 0 { format!(", with at least {}", counted(messages, "message")) } else { String::new() };
        return Some(format!("{datagrams} of {all} {} missing{least}", verb(datagrams, "is", "are")));
    }
    if messages > 0 {
        let all = counted(sent.messages, "message");
        return Some(format!("at least {messages} of {all} {} missing", verb(messages, "is", "are")));
    }
    (sent.json > 0 && dropped > 0).then(|| {
        let datagrams = counted(dropped, "datagram");
        format!("its host's kernel dropped {datagrams} meanwhile; the sender is unknown, because Metlog JSON has no sequence numbers")
    })
}

/// Where the server's HTTP port is by default, if `to` is on this host: as far from its own as the defaults are apart.
fn beside(to: &str) -> Option<SocketAddr> {
    if to.starts_with("unix:") {
        return Some(SocketAddr::from(([127, 0, 0, 1], PORT_QUERY)));
    }
    let address = to.to_socket_addrs().ok()?.find(|address| address.ip().is_loopback())?;
    let port = address.port().checked_add(PORT_QUERY - PORT_METLOG)?;
    Some(SocketAddr::new(address.ip(), port))
}

/// True where what is sent to `to` comes to a socket that is bound to `bound`.
fn is_at(bound: &str, to: &str) -> bool {
    if bound.starts_with("unix:") || to.starts_with("unix:") {
        return bound == to;
    }
    let (Ok(bound), Ok(mut to)) = (bound.parse::<SocketAddr>(), to.to_socket_addrs()) else { return false };
    to.any(|to| to.port() == bound.port() && (bound.ip() == to.ip() || bound.ip().is_unspecified()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: Sent, row: u64, received: u64, dropped: u64, expected: Option<&str>) {
        let before = Before { received: 1_000, dropped_by_kernel: 5 };
        let now = Before { received: 1_000 + received, dropped_by_kernel: 5 + dropped };
        let row = Row { datagrams: row, ..Row::default() };
        assert_eq!(missing(&before, &sent, &row, &now).as_deref(), expected);
    }

    #[test]
    fn what_is_missing_is_told_as_far_as_it_is_known() {
        let texts = Sent { datagrams: 10, messages: 100, ..Sent::default() };
        check(texts, 10, 100, 0, None);
        check(texts, 10, 100, 3, None);
        check(texts, 9, 95, 1, Some("1 of 10 datagrams is missing, with at least 5 messages"));
        check(texts, 8, 500, 0, Some("2 of 10 datagrams are missing"));
        let json = Sent { messages: 100, json: 100, ..Sent::default() };
        check(json, 0, 100, 0, None);
        check(json, 0, 99, 1, Some("at least 1 of 100 messages is missing"));
        check(
            json,
            0,
            200,
            1,
            Some(
                "its host's kernel dropped 1 datagram meanwhile; the sender is unknown, because Metlog JSON has no sequence numbers",
            ),
        );
    }

    #[test]
    fn the_server_beside_an_address_is_found() {
        assert_eq!(beside("127.0.0.1:5565"), Some("127.0.0.1:5580".parse().unwrap()));
        assert_eq!(beside("127.0.0.1:6565"), Some("127.0.0.1:6580".parse().unwrap()));
        assert_eq!(beside("unix:/run/m.sock"), Some("127.0.0.1:5580".parse().unwrap()));
        assert_eq!(beside("192.0.2.1:5565"), None, "another host is asked only where it is named");
        for (bound, to, expected) in [
            ("0.0.0.0:5565", "127.0.0.1:5565", true),
            ("127.0.0.1:5565", "127.0.0.1:5565", true),
            ("127.0.0.1:5566", "127.0.0.1:5565", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "127.0.0.1:5565", false),
        ] {
            assert_eq!(is_at(bound, to), expected, "{bound} {to}");
        }
    }
}
