//! Configuration: from the file and the command line to what is true. Afterwards nothing is optional that must be
//! there, and nothing is parsed.
//!
//! `document` is the file as it was typed, `values` reads its values, and one file for each part says which keys it
//! has and what they are when they are left out. `docker/metlog.toml` documents them all; a test compares it.
mod access;
mod alert;
mod document;
mod limits;
mod listener;
mod mesh;
mod query;
mod sampling;
mod sinks;
mod submit;
#[cfg(test)]
mod tests;
mod values;
mod web;

pub use access::{AccessConfig, TlsFiles};
pub use alert::AlertConfig;
pub use document::ConfigError;
pub use mesh::{Discovery, MeshConfig, with_environment};
pub use query::{PORT_QUERY, QueryConfig};
pub use sinks::{ParquetConfig, SinksConfig};
pub use web::WebConfig;

use crate::arguments::AddressOptions;
use document::Document;
use metlog_listener::config::{At, Listen};
use metlog_schemas::format::Transport;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Everything that a configuration file can say.
#[derive(Debug, Clone)]
pub struct Config {
    /// Intake, journal, aggregation, privacy.
    pub listener: metlog_listener::config::Config,
    /// Where batches go.
    pub sinks: SinksConfig,
    /// Answers.
    pub query: QueryConfig,
    /// Who may ask.
    pub access: AccessConfig,
    /// The page.
    pub web: WebConfig,
    /// Who is told of alerts.
    pub alert: AlertConfig,
    /// The agent of the mesh.
    pub mesh: MeshConfig,
}

/// What the machine and the command line say.
#[derive(Debug, Clone)]
pub struct Context {
    /// Name of this host.
    pub hostname: String,
    /// `--data`: overrides the file's `data`.
    pub data: Option<PathBuf>,
    /// Where the command line listens instead.
    pub addresses: AddressOptions,
    /// The folder that relative paths begin at.
    pub folder: PathBuf,
    /// The environment's variables, where the store shall be tried: it has options there.
    pub environment: Option<Vec<(String, String)>>,
}

impl Context {
    /// This machine's.
    ///
    /// # Errors
    /// Where the current folder is gone.
    pub fn of_this_process(data: Option<&Path>) -> Result<Context, LoadError> {
        let unreadable = |source| LoadError::Unreadable { file: "the current folder".into(), source };
        let folder = std::env::current_dir().map_err(unreadable)?;
        let hostname = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        Ok(Context {
            hostname: hostname.unwrap_or_default(),
            data: data.map(Path::to_owned),
            addresses: AddressOptions::default(),
            folder,
            environment: None,
        })
    }
}

/// Those of the environment that are text.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read at all.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was read, and it is wrong.
    #[error(transparent)]
    Wrong(#[from] ConfigError),
}

/// Reads the configuration of a process that opens the store: the file, or the defaults where there is none.
///
/// # Errors
/// Every problem of the file at once, with what the store's own client would refuse.
pub fn load(file: Option<&Path>, data: Option<&Path>, addresses: &AddressOptions) -> Result<Config, LoadError> {
    let context = Context::of_this_process(data)?;
    let environment = Some(variables().collect());
    read_file(file, &Context { environment, addresses: addresses.clone(), ..context })
}

/// Likewise, of one that only looks something up in it: the environment that the store needs may be the server's alone.
///
/// # Errors
/// Every problem of the file at once.
pub fn look_into(file: Option<&Path>) -> Result<Config, LoadError> {
    read_file(file, &Context::of_this_process(None)?)
}

fn read_file(file: Option<&Path>, context: &Context) -> Result<Config, LoadError> {
    let Some(file) = file else { return Ok(from_text("(defaults)", "", context)?) };
    let unreadable = |source| LoadError::Unreadable { file: file.to_owned(), source };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    Ok(from_text(&file.display().to_string(), &text, context)?)
}

/// Makes the configuration of a file's text. Touches nothing, but for files with credentials that the options of a
/// remote store name: whether they can be used is tried.
///
/// # Errors
/// Every problem of the text at once.
pub fn from_text(file: &str, text: &str, context: &Context) -> Result<Config, ConfigError> {
    let document = Document::parse(file, text)?;
    let config = read(&document, context);
    document.finish()?;
    Ok(config)
}

fn read(document: &Document<'_>, context: &Context) -> Config {
    let mut root = document.root();
    let typed = root.read("data", values::path);
    let data = context.data.clone().or(typed).unwrap_or_else(|| PathBuf::from("data"));
    let data = context.folder.join(data);
    let mut sink = root.section("sink");
    let sinks = sinks::read(&mut sink, &data, context.environment.as_deref());
    sink.finish();
    let listener = listener::read(document, &mut root, data, &sinks.parquet, context);
    let query = query::read(&mut root, &context.addresses);
    let web = web::read(&mut root, &context.folder);
    let alert = alert::read(&mut root, &query.listen);
    let mesh = mesh::read(&mut root, &context.hostname, context.addresses.listen_offset);
    check_addresses(document, &listener, &query, &mesh);
    let access = access::read(&mut root);
    access::check(document, &access, &query);
    root.finish();
    Config { listener, sinks, query, access, web, alert, mesh }
}

/// No two sockets may want the same port.
fn check_addresses(
    document: &Document<'_>,
    listener: &metlog_listener::config::Config,
    query: &QueryConfig,
    mesh: &MeshConfig,
) {
    let (mut udp, mut tcp, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    // A default that yields is left out at the start where something else wants its port.
    let firm = |listen: &&Listen| !listen.is_default;
    for Listen { socket, at, .. } in listener.sockets.iter().filter(firm) {
        let key = format!("listener.{}", socket.key);
        match at {
            At::Path(path) => paths.push((key, path)),
            At::Addresses(list) if socket.transport == Transport::Udp => {
                udp.extend(list.iter().map(|address| (key.clone(), *address)));
            }
            At::Addresses(list) => tcp.extend(list.iter().map(|address| (key.clone(), *address))),
        }
    }
    tcp.extend(listener.http.iter().map(|address| ("listener.http".to_owned(), *address)));
    for serve in listener.servers.iter().filter(|serve| !serve.is_default) {
        tcp.extend(serve.addresses.iter().map(|address| (format!("listener.{}", serve.key), *address)));
    }
    tcp.extend(query.listen.iter().map(|address| ("query.listen".to_owned(), *address)));
    tcp.extend(query.flight.iter().map(|address| ("query.flight".to_owned(), *address)));
    if mesh.is_there {
        tcp.push(("mesh.listen".to_owned(), mesh.listen));
        udp.push(("mesh.listen".to_owned(), mesh.listen));
        if mesh.discovery == Discovery::Gossip {
            udp.push(("mesh.gossip".to_owned(), mesh.gossip));
        }
    }
    for all in [udp, tcp] {
        for (at, (key, address)) in all.iter().enumerate() {
            if let Some((other, taken)) = all[..at].iter().find(|(_, before)| meets(before, address)) {
                document.conflict(&[key, other], format!("{key} ({address}) and {other} ({taken}) want the same port"));
            }
        }
    }
    for (at, (key, path)) in paths.iter().enumerate() {
        if let Some((other, _)) = paths[..at].iter().find(|(_, before)| before == path) {
            document.conflict(&[key], format!("{other} is the same path"));
        }
    }
}

/// True where two addresses of the same protocol cannot both be listened on. Port 0 is a free one each time.
fn meets(a: &SocketAddr, b: &SocketAddr) -> bool {
    let any = |ip: IpAddr| ip.is_unspecified();
    a.port() == b.port()
        && a.port() != 0
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || any(a.ip()) || any(b.ip()))
}
