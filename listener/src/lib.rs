#![cfg_attr(test, allow(clippy::unwrap_used))]
//! Intake: sockets, journal, decoding, aggregation, batches; the ledger and the order of shutdown.
//!
//! `receive` and `stream` take what the sockets give to the `road`, which journals and applies it; `deliver`
//! hands sealed segments and closed windows to the sinks; `recover` reads the data folder at the start.
mod admission;
pub mod aggregate;
mod bind;
mod cold;
pub mod config;
mod deliver;
mod dump;
pub mod journal;
pub mod ledger;
pub mod metric;
pub mod privacy;
mod receive;
mod recover;
mod replay;
mod report;
mod reserve;
mod road;
mod segment;
pub mod senders;
mod state;
mod stream;

pub use cold::ColdSegment;
pub use dump::decode;
pub use report::Health;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use config::Config;
use deliver::SinkStates;
use journal::record::Kind;
use metlog_schemas::tables::Table;
use metlog_sink::{Role, Sink};
use receive::SocketState;
use recover::Damage;
use road::{Road, SEAL_AGAIN, lock, now};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

/// How often windows, segments and batches are looked after.
const TICK: Duration = Duration::from_millis(10);

/// Why a listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address or a path that cannot be bound.
    #[error("cannot listen on {0}")]
    Bind(#[source] std::io::Error),
    /// The data folder cannot be used.
    #[error("the data folder {folder}: {source}", folder = folder.display())]
    Data {
        /// The folder.
        folder: std::path::PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// Exactly one sink must be the store.
    #[error("a listener needs exactly one sink that stores")]
    Store,
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Rows that are not in the store, of all tables, as of one moment.
pub struct HotRows {
    /// Whose rows these are.
    pub listener: Arc<str>,
    /// The rows are of segments from this one on; the store may have some of them too.
    pub first_segment: u64,
    /// Rows in memory.
    pub tables: Vec<(Table, Vec<RecordBatch>)>,
    /// Segments whose rows must be read back.
    pub cold: Vec<ColdSegment>,
}

/// What is left after a stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Messages that are still in the journal and will be stored after the next start.
    pub held: u64,
    /// The sinks that have not had everything; they get it after the next start.
    pub waiting: Vec<String>,
}

/// A running listener. Clones are the same one.
#[derive(Clone)]
pub struct Listener {
    inner: Arc<Inner>,
}

struct Inner {
    road: Arc<Road>,
    sockets: Vec<Arc<SocketState>>,
    sinks: SinkStates,
    damage: Damage,
    end_intake: Arc<AtomicBool>,
    end_clock: Arc<AtomicBool>,
    intake: Mutex<Vec<JoinHandle<()>>>,
    clock: Mutex<Vec<JoinHandle<()>>>,
    deliveries: Vec<tokio::task::AbortHandle>,
    addresses: Vec<(String, String)>,
    _lock: File,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.inner.addresses).finish_non_exhaustive()
    }
}

enum Source {
    Datagrams(Kind, bind::Bound),
    Lines(std::net::TcpListener),
}

/// Binds all that is configured; with each socket, what it is called and where it is bound.
fn bind_all(config: &Config) -> std::io::Result<Vec<(&'static str, String, Source)>> {
    let mut sources = Vec::new();
    for (name, kind, addresses) in [("metlog", Kind::Metlog, &config.metlog), ("statsd", Kind::Statsd, &config.statsd)]
    {
        for address in addresses {
            let mut address = *address;
            for _ in 0..config.workers.max(1) {
                let bound = bind::udp(address, config.workers > 1, config.receive_buffer)?;
                // Where the port was 0, the other workers share the one that the kernel chose.
                address = bound.address.parse().unwrap_or(address);
                sources.push((name, bound.address.clone(), Source::Datagrams(kind, bound)));
            }
        }
    }
    for (name, kind, path) in
        [("metlog", Kind::Metlog, &config.metlog_unix), ("statsd", Kind::Statsd, &config.statsd_unix)]
    {
        if let Some(path) = path {
            let bound = bind::unix(path, config.receive_buffer)?;
            sources.push((name, bound.address.clone(), Source::Datagrams(kind, bound)));
        }
    }
    for address in &config.statsd_tcp {
        let listener = bind::tcp(*address)?;
        let bound = listener.local_addr().map_or_else(|_| address.to_string(), |bound| bound.to_string());
        sources.push(("statsd_tcp", bound, Source::Lines(listener)));
    }
    Ok(sources)
}

impl Listener {
    /// Reads the data folder, binds the sockets and begins to take messages. Sinks are served on `runtime`.
    ///
    /// # Errors
    /// [`StartError`]; then nothing runs.
    pub fn start(config: Config, sinks: Vec<Box<dyn Sink>>, runtime: &Handle) -> Result<Listener, StartError> {
        let mut stores = sinks.iter().filter(|sink| sink.role() == Role::Store);
        let (Some(store), None) = (stores.next(), stores.next()) else { return Err(StartError::Store) };
        let store = store.name();
        let names: Vec<&'static str> = sinks.iter().map(|sink| sink.name()).collect();
        let data = |source| StartError::Data { folder: config.data.clone(), source };
        let folder_lock = recover::lock(&config.data).map_err(data)?;
        let sources = bind_all(&config).map_err(StartError::Bind)?;
        let now = now();
        let (found, damage) = recover::open(&config, &names, store, now).map_err(data)?;
        let road = Arc::new(Road::new(config, sources.len(), found, now));
        let states = SinkStates::default();
        let mut inner = Inner {
            sockets: Vec::new(),
            addresses: sources.iter().map(|(name, address, _)| ((*name).to_owned(), address.clone())).collect(),
            sinks: states.clone(),
            damage,
            end_intake: Arc::default(),
            end_clock: Arc::default(),
            intake: Mutex::default(),
            clock: Mutex::default(),
            deliveries: Vec::new(),
            _lock: folder_lock,
            road: road.clone(),
        };
        let started = inner.start_clock().and_then(|()| inner.start_intake(sources));
        if let Err(error) = started {
            inner.end_intake.store(true, Ordering::Relaxed);
            inner.end_clock.store(true, Ordering::Relaxed);
            return Err(StartError::Thread(error));
        }
        for sink in sinks {
            let task = runtime.spawn(deliver::deliver(road.clone(), sink, states.clone()));
            inner.deliveries.push(task.abort_handle());
        }
        Ok(Listener { inner: Arc::new(inner) })
    }

    /// What is bound, and where.
    pub fn addresses(&self) -> Vec<(String, String)> {
        self.inner.addresses.clone()
    }

    /// The ledger, exact at one moment. Waits for batches that are under way, some ms at most.
    pub fn ledger(&self) -> ledger::Ledger {
        self.inner.road.ledger()
    }

    /// Each sender of wire datagrams.
    pub fn senders(&self) -> Vec<senders::SenderRow> {
        self.inner.road.with_ordered(|ordered| ordered.senders.rows())
    }

    /// Rows that are not in the store. Blocking, for some ms at most.
    ///
    /// # Errors
    /// Where Arrow refuses the rows, which would be a defect.
    pub fn hot(&self) -> Result<HotRows, ArrowError> {
        self.inner.road.hot()
    }

    /// Rows of `messages` as they come, while somebody listens.
    pub fn subscribe(&self) -> broadcast::Receiver<RecordBatch> {
        self.inner.road.subscribe()
    }

    /// The sinks that have not had everything that is sealed.
    pub fn waiting(&self) -> Vec<String> {
        self.inner.road.waiting()
    }

    /// Closes the intake, waits for the end of the open window where it holds values, seals the last segment
    /// and waits until every sink has everything. Once `hurry` is ready it waits no longer: what the sinks have
    /// not had stays in the journal.
    pub async fn stop(&self, hurry: impl Future<Output = ()> + Send) -> Stopped {
        let inner = self.inner.clone();
        self.inner.end_intake.store(true, Ordering::Relaxed);
        let closed = tokio::task::spawn_blocking(move || {
            let intake: Vec<_> = lock(&inner.intake).drain(..).collect();
            intake.into_iter().for_each(|thread| drop(thread.join()));
        });
        let road = self.inner.road.clone();
        let drained = async {
            let _ = closed.await;
            while road.open_values() > 0 {
                tokio::time::sleep(TICK).await;
            }
            while road.seal().is_err() {
                tokio::time::sleep(SEAL_AGAIN).await;
            }
            while !road.is_drained() {
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::select! {
            () = drained => (),
            () = hurry => (),
        }
        self.inner.deliveries.iter().for_each(tokio::task::AbortHandle::abort);
        let inner = self.inner.clone();
        let ended = tokio::task::spawn_blocking(move || {
            inner.end_clock.store(true, Ordering::Relaxed);
            let clock: Vec<_> = lock(&inner.clock).drain(..).collect();
            clock.into_iter().for_each(|thread| drop(thread.join()));
            inner.road.sync();
            Stopped { held: inner.road.ledger().held, waiting: inner.road.waiting() }
        });
        ended.await.unwrap_or_default()
    }
}

impl Inner {
    fn start_clock(&self) -> std::io::Result<()> {
        let (road, end) = (self.road.clone(), self.end_clock.clone());
        let tick = std::thread::Builder::new().name("clock".into()).spawn(move || {
            while !end.load(Ordering::Relaxed) {
                road.tick();
                std::thread::sleep(TICK);
            }
        })?;
        lock(&self.clock).push(tick);
        let (road, end) = (self.road.clone(), self.end_clock.clone());
        let interval = self.road.config().journal.sync_interval;
        let sync = std::thread::Builder::new().name("sync".into()).spawn(move || {
            while !end.load(Ordering::Relaxed) {
                std::thread::sleep(interval);
                road.sync();
            }
        })?;
        lock(&self.clock).push(sync);
        Ok(())
    }

    /// True where a thread ended that nobody told to.
    fn has_lost_a_thread(&self) -> bool {
        let lost = |end: &AtomicBool, threads: &Mutex<Vec<JoinHandle<()>>>| {
            !end.load(Ordering::Relaxed) && lock(threads).iter().any(JoinHandle::is_finished)
        };
        lost(&self.end_intake, &self.intake) || lost(&self.end_clock, &self.clock)
    }

    fn start_intake(&mut self, sources: Vec<(&'static str, String, Source)>) -> std::io::Result<()> {
        for (worker, (name, address, source)) in sources.into_iter().enumerate() {
            let (road, end) = (self.road.clone(), self.end_intake.clone());
            let thread = std::thread::Builder::new().name(format!("{name}-{worker}"));
            let thread = match source {
                Source::Datagrams(kind, bound) => {
                    let receive_buffer = bound.receive_buffer;
                    let state = Arc::new(SocketState { address, receive_buffer, kernel_dropped: 0.into() });
                    self.sockets.push(state.clone());
                    thread.spawn(move || receive::receive(&road, worker, kind, &bound, &state, &end))?
                }
                Source::Lines(listener) => thread.spawn(move || {
                    if let Err(error) = stream::accept(&road, worker, &listener, &end) {
                        tracing::error!("statsd over TCP on {address}: {error}");
                    }
                })?,
            };
            lock(&self.intake).push(thread);
        }
        Ok(())
    }
}
