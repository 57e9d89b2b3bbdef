//! `metlog up` and `metlog listen`: the whole program in one process, from the first socket to the last batch.
use super::{print, query_worker};
use crate::arguments::{AddressOptions, ConfigOptions, ListenOptions, UpOptions};
use crate::config::{self, Config};
use crate::demo::{Demo, reachable};
use crate::failure::Failure;
use crate::front::Front;
use crate::holder::{Protocol, holder};
use crate::mesh::Mesh;
use crate::plural::{counted, grouped, verb};
use crate::{logs, page, serve, sinks};
use metlog_listener::config::{At, Listen};
use metlog_listener::ledger::Ledger;
use metlog_listener::{Listener, StartError};
use metlog_query::Pool;
use metlog_schemas::error::with_causes;
use metlog_schemas::format::Transport;
use metlog_schemas::wire::limits::PORT_METLOG;
use std::net::SocketAddr;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Everything in one process.
///
/// # Errors
/// 2 where the configuration is wrong, 1 where it cannot start or messages are left in the journal.
pub fn run(options: &UpOptions) -> Result<(), Failure> {
    serve_until_stopped(&options.config, &options.addresses, true, options.demo)
}

/// Without SQL.
///
/// # Errors
/// As [`run`].
pub fn listen(options: &ListenOptions) -> Result<(), Failure> {
    serve_until_stopped(&options.config, &options.addresses, false, false)
}

fn serve_until_stopped(
    options: &ConfigOptions,
    addresses: &AddressOptions,
    has_sql: bool,
    is_demo: bool,
) -> Result<(), Failure> {
    let config = config::load(options.config.as_deref(), options.data.as_deref(), addresses)?;
    let runtime = Runtime::new().map_err(Failure::failed)?;
    let warehouse = sinks::open_warehouse(&config.sinks.parquet)?;
    let front = runtime.block_on(Front::bind(&config))?;
    let sinks = sinks::open(&config.sinks, warehouse)?;
    let listener = Listener::start(config.listener.clone(), sinks, runtime.handle())
        .map_err(|error| not_started(&config, &error))?;
    runtime.block_on(async {
        let pool = has_sql.then(|| {
            let launch = query_worker::launch(&config.sinks.parquet.url, &config.sinks.parquet.options);
            Pool::new(serve::pool_config(&config), launch, Some(serve::hot_rows(&listener)))
        });
        let signals = Signals::new().map_err(Failure::failed)?;
        let addresses = front.addresses();
        if let Some(pool) = &pool {
            front.serve_zipkin(&config, &listener, pool);
        }
        let site = page::site(&config, Some(listener.clone()), pool.clone());
        let flight = front.flight_addresses();
        let _servers = front.serve(&serve::router(listener.clone(), pool.clone(), site, &config), pool);
        let demo = if is_demo { Some(start_demo(&config, &listener)?) } else { None };
        let mesh = if config.mesh.is_there { Some(start_mesh(&config, &listener).await?) } else { None };
        // Nobody may be reading; that is no reason to end.
        let _ = print(&start_text(&config, &listener.addresses(), &addresses, &flight, has_sql, is_demo));
        stop_when_told(listener, signals, demo, mesh).await?;
        Ok(())
    })
}

async fn start_mesh(config: &Config, listener: &Listener) -> Result<Mesh, Failure> {
    let mut mesh = config.mesh.clone();
    let environment: std::collections::HashMap<String, String> = config::variables().collect();
    config::with_environment(&mut mesh, |name| environment.get(name).cloned()).map_err(Failure::failed)?;
    let own = listener.addresses().iter().find(|(bound, _)| bound == "metlog").map(|(_, address)| reachable(address));
    let to = mesh.to.clone().or(own);
    let to = to.ok_or_else(|| Failure::failed("mesh.to: is required, since listener.metlog is none"))?;
    Mesh::start(&mesh, &to, config.listener.keys.first()).await
}

fn start_demo(config: &Config, listener: &Listener) -> Result<Demo, Failure> {
    Demo::start(&listener.addresses(), config.listener.keys.first()).map_err(Failure::failed)
}

/// An address that is not free, by the name of its key, with who holds it and how to choose another.
pub(crate) fn not_bound(
    key: &str,
    flag: &str,
    protocol: Protocol,
    address: SocketAddr,
    error: &std::io::Error,
) -> Failure {
    let refused = format!("{key}: cannot listen on {address}");
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return Failure::failed(format!("{refused}: {error}"));
    }
    let by = holder(protocol, address).unwrap_or_else(|| "a program that this user may not look at".to_owned());
    let flags =
        if flag.is_empty() { String::new() } else { format!(", or start with {flag} ADDR or --listen-offset N") };
    Failure::failed(format!("{refused}: it is in use by {by}; choose another in `{key}`{flags}"))
}

/// Why the listener did not start; an address is named by its key.
fn not_started(config: &Config, error: &StartError) -> Failure {
    let in_full = || Failure::failed(with_causes(error));
    let StartError::Bind(bind) = error else { return in_full() };
    let text = bind.to_string();
    for Listen { socket, at, .. } in &config.listener.sockets {
        let At::Addresses(addresses) = at else { continue };
        let (name, protocol) = match socket.transport {
            Transport::Udp => ("UDP", Protocol::Udp),
            _ => ("TCP", Protocol::Tcp),
        };
        let flag = match socket.key {
            "metlog" => "--metlog",
            "statsd" => "--statsd",
            _ => "",
        };
        if let Some(address) = addresses.iter().find(|address| text.starts_with(&format!("{name} {address}: "))) {
            return not_bound(&format!("listener.{}", socket.key), flag, protocol, *address, bind);
        }
    }
    for serve in &config.listener.servers {
        if let Some(address) = serve.addresses.iter().find(|address| text.starts_with(&format!("TCP {address}: "))) {
            return not_bound(&format!("listener.{}", serve.key), "", Protocol::Tcp, *address, bind);
        }
    }
    let http = config.listener.http.iter().find(|address| text.starts_with(&format!("TCP {address}: ")));
    http.map_or_else(in_full, |address| not_bound("listener.http", "", Protocol::Tcp, *address, bind))
}

/// SIGTERM and ctrl-c.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// Waits for a signal, then for the last batch or a second signal. What is asked meanwhile is still answered.
async fn stop_when_told(
    listener: Listener,
    mut signals: Signals,
    demo: Option<Demo>,
    mesh: Option<Mesh>,
) -> Result<(), Failure> {
    signals.next().await;
    drop(demo);
    // What it found last is still taken in.
    if let Some(mesh) = mesh {
        mesh.stop().await;
    }
    let held = listener.ledger().held;
    let waiting = match listener.waiting() {
        none if none.is_empty() => String::new(),
        sinks => format!(", {} must catch up", sinks.join(" and ")),
    };
    let (messages, are) = (counted(held, "message"), verb(held, "is", "are"));
    logs::say(&format!("stopping: {messages} {are} yet to be stored{waiting}; once more to leave them in the journal"));
    let stopped = listener.stop(signals.next()).await;
    logs::say(&stopped_text(&listener.ledger()));
    let sinks = stopped.waiting.join(" and ");
    match stopped.held {
        0 if sinks.is_empty() => Ok(()),
        0 => Err(Failure::failed(format!(
            "all messages are stored, but {sinks} has not had everything; it is in the journal, and delivered after the next start"
        ))),
        held => {
            let (messages, are, them) = (counted(held, "message"), verb(held, "is", "are"), verb(held, "it", "them"));
            Err(Failure::failed(format!("{messages} {are} left in the journal; the next start stores {them}")))
        }
    }
}

/// The ledger at the end, in one line.
fn stopped_text(ledger: &Ledger) -> String {
    let columns = [
        ("stored", ledger.stored),
        ("held", ledger.held),
        ("set aside", ledger.set_aside),
        ("rejected", ledger.rejected),
        ("dropped", ledger.dropped),
    ];
    let sum: Vec<String> = columns.iter().map(|(name, count)| format!("{} {name}", grouped(*count))).collect();
    let losses = [
        ("datagram", "lost", ledger.lost),
        ("message", "dropped by clients", ledger.dropped_by_clients),
        ("datagram", "dropped by the kernel", ledger.dropped_by_kernel),
    ];
    let losses = losses.iter().filter(|(.., count)| *count > 0);
    let losses: String = losses.map(|(noun, what, count)| format!("; {} {what}", counted(*count, noun))).collect();
    format!("stopped: {} received = {}{losses}", counted(ledger.received, "message"), sum.join(" + "))
}

/// The `--to` that `send` needs, unless the default will do.
fn to(addresses: &[(String, String)]) -> String {
    let metlog = |(name, address): &(String, String)| (name == "metlog").then(|| address.clone());
    let default = SocketAddr::from(([127, 0, 0, 1], PORT_METLOG)).to_string();
    match addresses.iter().find_map(metlog) {
        Some(address) if address != default => format!("--to {address} "),
        _ => String::new(),
    }
}

fn start_text(
    config: &Config,
    addresses: &[(String, String)],
    http: &[SocketAddr],
    flight: &[SocketAddr],
    has_sql: bool,
    is_demo: bool,
) -> String {
    let mut text = String::from("metlog is up.\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<12} {value}\n"));
    for (at, (name, address)) in addresses.iter().enumerate() {
        // One line for an address, not for each of its workers.
        if !addresses[..at].contains(&(name.clone(), address.clone())) {
            line(name, address);
        }
    }
    let scheme = if config.access.tls.is_some() { "https" } else { "http" };
    let first = http.first().copied().unwrap_or(SocketAddr::from(([127, 0, 0, 1], config::PORT_QUERY)));
    for address in http {
        line("page", &format!("{scheme}://{address}/"));
    }
    line(
        "http",
        &format!(
            "{scheme}://{first}  /health /metrics /api/ledger /api/senders /api/tail{}",
            if has_sql { " /api/sql" } else { "" }
        ),
    );
    for address in flight {
        line("flight", &address.to_string());
    }
    line("data", &config.listener.data.display().to_string());
    line("warehouse", &config.sinks.parquet.url);
    let server = if first.port() == config::PORT_QUERY { String::new() } else { format!("--server {first} ") };
    if is_demo {
        text.push_str("A demo service sends logins, pages and checkouts. Open the page in a browser, or query from another terminal:\n");
        for query in crate::demo::QUERIES {
            text.push_str(&format!("  metlog query {server}\"{query}\"\n"));
        }
        text.push_str(&format!("  metlog tail {server}--filter type=error\n"));
    } else if has_sql {
        text.push_str(&format!(
            "Send something, and query it:\n  metlog send {}--type hello \"first message\"\n",
            to(addresses)
        ));
        text.push_str(&format!("  metlog query {server}\"select type, logger, payload from messages limit 10\"\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_at_the_end_is_one_line() {
        let ledger = Ledger { received: 1, stored: 1, ..Ledger::default() };
        let text = "stopped: 1 message received = 1 stored + 0 held + 0 set aside + 0 rejected + 0 dropped";
        assert_eq!(stopped_text(&ledger), text);
        let ledger = Ledger { received: 1_002, stored: 1_000, rejected: 2, lost: 1, dropped_by_kernel: 3, ..ledger };
        let text = stopped_text(&ledger);
        assert!(text.ends_with("+ 0 dropped; 1 datagram lost; 3 datagrams dropped by the kernel"), "{text}");
    }
}
