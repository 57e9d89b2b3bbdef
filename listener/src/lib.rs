#![cfg_attr(test, allow(clippy::unwrap_used))]
//! The listener: sockets, journal, decoding, aggregation, batches; the ledger and the order of shutdown.
//!
//! `intake` takes what the sockets give to the `pipeline`, which journals and applies it; `deliver`
//! hands sealed segments and closed windows to the sinks; `recover` reads the data folder at the start.
pub mod aggregate;
mod clock;
mod cold;
pub mod config;
mod deliver;
mod dump;
mod grown;
mod intake;
pub mod journal;
pub mod ledger;
pub mod metric;
mod ordered;
mod pipeline;
mod probe;
mod recover;
mod replay;
mod report;
pub mod sampling;
mod segment;
pub mod senders;
mod standing;

pub use cold::decode_segment;
pub use dump::decode;
pub use intake::bagheera::{LoggerPattern, SubmitConfig, SubmitToken};
pub use intake::connections::{Limits, raise_descriptor_limit, serve, serve_grpc};
pub use intake::privacy;
pub use intake::server::{SERVERS, Server};
pub use intake::submit::{Submit, Submitted, Unavailable};
pub use intake::tls::Tls;
pub use metlog_schemas::hot::{ColdSegment, HotRows};
pub use pipeline::{Live, LiveEvent, LiveRows, Rejected};
pub use recover::again::{Offered, offer_again};
pub use report::Health;
pub use standing::{JournalRow, SinkRow};

use clock::SystemClock;
use config::Config;
use deliver::SinkStates;
use intake::SocketState;
use intake::server::BoundServer;
use intake::tls::PortTls;
use metlog_sink::{Role, Sink};
use pipeline::Pipeline;
use recover::Damage;
use sampling::Sampling;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often windows, segments and batches are checked.
const TICK: Duration = Duration::from_millis(10);

/// Wait before sealing is retried at shutdown.
const SEAL_AGAIN: Duration = Duration::from_secs(1);

/// A lock whose holder panicked is still usable: every change under it is complete.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    /// The certificate cannot be used.
    #[error("listener.tls: {0}")]
    Tls(String),
    /// The file of sampling strategies cannot be used.
    #[error("{0}")]
    Sampling(String),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// What remains after a stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Messages that are still in the journal and will be stored after the next start.
    pub held: u64,
    /// The sinks that have not received everything; they get the rest after the next start.
    pub waiting: Vec<String>,
}

/// A running listener. Clones are the same one.
#[derive(Clone)]
pub struct Listener {
    inner: Arc<Inner>,
}

struct Inner {
    pipeline: Arc<Pipeline>,
    sockets: Vec<Arc<SocketState>>,
    sinks: SinkStates,
    damage: Damage,
    end_intake: Arc<AtomicBool>,
    submit: Submit,
    end_clock: Arc<AtomicBool>,
    intake: Mutex<Vec<JoinHandle<()>>>,
    clock: Mutex<Vec<JoinHandle<()>>>,
    deliveries: Vec<tokio::task::AbortHandle>,
    addresses: Vec<(String, String)>,
    /// Default addresses that another program holds, in words.
    left_out: Vec<String>,
    _lock: File,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.inner.addresses).finish_non_exhaustive()
    }
}

/// Binds the HTTP intake if it is configured.
fn bind_http(config: &Config) -> std::io::Result<Vec<(SocketAddr, std::net::TcpListener)>> {
    let bind = |address: &SocketAddr| {
        let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("HTTP {address}: {error}"));
        std::net::TcpListener::bind(address).map(|listener| (*address, listener)).map_err(named)
    };
    config.http.iter().map(bind).collect()
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
        let sampling = Arc::new(Sampling::open(&config.sampling, &config.data).map_err(StartError::Sampling)?);
        let tls = PortTls::load(config.tls.as_ref()).map_err(StartError::Tls)?;
        let folder_lock = recover::lock(&config.data).map_err(data)?;
        let mut left_out = Vec::new();
        let sources = intake::bind_all(&config, &mut left_out).map_err(StartError::Bind)?;
        let http = bind_http(&config).map_err(StartError::Bind)?;
        let servers = intake::server::bind_all(&config, &mut left_out).map_err(StartError::Bind)?;
        left_out.iter().for_each(|warning| tracing::warn!("{warning}"));
        let (found, damage) = recover::open(&config, &names, store, clock::wall()).map_err(data)?;
        let clock = Arc::new(SystemClock::default());
        let workers = sources.len() + intake::submit::WORKERS;
        let first_of_requests = sources.len();
        let pipeline = Arc::new(Pipeline::new(config, workers, found, clock));
        let states = SinkStates::default();
        let end_intake = Arc::new(AtomicBool::new(false));
        let submit = Submit::new(pipeline.clone(), first_of_requests, end_intake.clone(), sampling.clone());
        let following = runtime.spawn(sampling.follow(pipeline.clone()));
        let mut inner = Inner {
            sockets: Vec::new(),
            addresses: sources.iter().map(|source| (source.socket.key.to_owned(), source.address.clone())).collect(),
            sinks: states.clone(),
            damage,
            end_intake,
            submit,
            end_clock: Arc::default(),
            intake: Mutex::default(),
            clock: Mutex::default(),
            deliveries: vec![following.abort_handle()],
            left_out,
            _lock: folder_lock,
            pipeline: pipeline.clone(),
        };
        let started = inner.start_clock().and_then(|()| inner.start_intake(sources, &tls));
        if let Err(error) = started {
            inner.end_intake.store(true, Ordering::Relaxed);
            inner.end_clock.store(true, Ordering::Relaxed);
            return Err(StartError::Thread(error));
        }
        for sink in sinks {
            let task = runtime.spawn(deliver::deliver(pipeline.clone(), sink, states.clone()));
            inner.deliveries.push(task.abort_handle());
        }
        for (_, listener) in &http {
            inner.addresses.extend(listener.local_addr().ok().map(|address| ("http".to_owned(), address.to_string())));
        }
        inner.addresses.extend(servers.iter().map(|bound| (bound.server.key.to_owned(), bound.address.to_string())));
        let listener = Listener { inner: Arc::new(inner) };
        listener.serve_http(http, &tls, runtime).map_err(StartError::Bind)?;
        listener.serve_servers(servers, &tls, runtime).map_err(StartError::Bind)?;
        Ok(listener)
    }

    fn serve_http(
        &self,
        bound: Vec<(SocketAddr, std::net::TcpListener)>,
        tls: &PortTls,
        runtime: &Handle,
    ) -> std::io::Result<()> {
        let _runtime = runtime.enter();
        let submit = Arc::new(self.inner.pipeline.config().submit.clone());
        if submit.is_on() && bound.is_empty() {
            tracing::warn!("/submit is not served: `http` in [listener] has no address");
        }
        for (_, listener) in bound {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let router = intake::http::router(self.submit(), Arc::clone(&submit));
            runtime.spawn(serve(listener, router, "listener.http", Limits::default(), tls.of("http")));
        }
        Ok(())
    }

    fn serve_servers(&self, servers: Vec<BoundServer>, tls: &PortTls, runtime: &Handle) -> std::io::Result<()> {
        let _runtime = runtime.enter();
        for BoundServer { server, listener, .. } in servers {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(server.serve(listener, self.submit(), Limits::default(), tls.of(server.key)));
        }
        Ok(())
    }

    /// Serves what Zipkin's clients read at the addresses where they send: `zipkin` in the configuration. Once; the routes
    /// see to it themselves who may read.
    pub fn serve_zipkin_reads(&self, routes: axum::Router) {
        self.inner.submit.serve_reads(routes);
    }

    /// Sockets and the addresses they are bound to.
    pub fn addresses(&self) -> Vec<(String, String)> {
        self.inner.addresses.clone()
    }

    /// The ledger, exact at one moment. Waits for batches in progress, a few ms at most.
    pub fn ledger(&self) -> ledger::Ledger {
        self.inner.pipeline.ledger()
    }

    /// Each sender of wire datagrams.
    pub fn senders(&self) -> Vec<senders::SenderRow> {
        // Copied first: what they are in words takes longer than a lock may be held that intake takes.
        self.inner.pipeline.with_ordered(|ordered| ordered.senders.clone()).rows()
    }

    /// Rows of all tables that are not in the store. Blocks for a few ms at most.
    pub fn hot(&self) -> HotRows {
        self.inner.pipeline.hot()
    }

    /// Rows as they arrive, while somebody subscribes.
    pub fn subscribe(&self) -> Live {
        self.inner.pipeline.subscribe()
    }

    /// Intake for requests that expect a response.
    pub fn submit(&self) -> Submit {
        self.inner.submit.clone()
    }

    /// A bounded sample of what was rejected, the newest first.
    pub fn rejected(&self) -> Vec<Rejected> {
        self.inner.pipeline.rejected()
    }

    /// The sinks that have not received everything that is sealed.
    pub fn waiting(&self) -> Vec<String> {
        self.inner.pipeline.waiting()
    }

    /// Closes the intake, waits for the end of the open window if it holds values, seals the last segment
    /// and waits until every sink has everything. Once `hurry` is ready it stops waiting: what the sinks have
    /// not received stays in the journal.
    pub async fn stop(&self, hurry: impl Future<Output = ()> + Send) -> Stopped {
        let inner = self.inner.clone();
        self.inner.end_intake.store(true, Ordering::Relaxed);
        let closed = tokio::task::spawn_blocking(move || {
            let intake: Vec<_> = lock(&inner.intake).drain(..).collect();
            intake.into_iter().for_each(|thread| drop(thread.join()));
        });
        let pipeline = self.inner.pipeline.clone();
        let submit = self.inner.submit.clone();
        let drained = async {
            let _ = closed.await;
            submit.finished().await;
            while pipeline.open_values() > 0 {
                tokio::time::sleep(TICK).await;
            }
            while let Err(error) = pipeline.seal() {
                let soon = error.kind() == std::io::ErrorKind::WouldBlock;
                tokio::time::sleep(if soon { TICK } else { SEAL_AGAIN }).await;
            }
            while !pipeline.is_drained() {
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
            inner.pipeline.sync();
            Stopped { held: inner.pipeline.ledger().held, waiting: inner.pipeline.waiting() }
        });
        ended.await.unwrap_or_default()
    }
}

impl Inner {
    /// Starts the periodic work: ticks, syncs, and background tasks.
    fn start_clock(&self) -> std::io::Result<()> {
        let interval = self.pipeline.config().journal.sync_interval;
        self.repeat("clock", |pipeline| {
            pipeline.tick();
            std::thread::sleep(TICK);
        })?;
        self.repeat("sync", move |pipeline| {
            pipeline.wait_for_sync(interval);
            pipeline.sync();
        })?;
        self.repeat("windows", Pipeline::make)?;
        self.repeat("files", Pipeline::write)
    }

    fn repeat(&self, name: &str, work: impl Fn(&Pipeline) + Send + 'static) -> std::io::Result<()> {
        let (pipeline, end) = (self.pipeline.clone(), self.end_clock.clone());
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            while !end.load(Ordering::Relaxed) {
                work(&pipeline);
            }
        })?;
        lock(&self.clock).push(thread);
        Ok(())
    }

    /// True if a thread ended unexpectedly.
    fn has_lost_a_thread(&self) -> bool {
        let lost = |end: &AtomicBool, threads: &Mutex<Vec<JoinHandle<()>>>| {
            !end.load(Ordering::Relaxed) && lock(threads).iter().any(JoinHandle::is_finished)
        };
        lost(&self.end_intake, &self.intake) || lost(&self.end_clock, &self.clock)
    }

    fn start_intake(&mut self, sources: Vec<intake::Source>, tls: &PortTls) -> std::io::Result<()> {
        for (worker, source) in sources.into_iter().enumerate() {
            let state = source.state();
            self.sockets.extend(state.clone());
            let thread = source.start(self.pipeline.clone(), worker, state, self.end_intake.clone(), tls)?;
            lock(&self.intake).push(thread);
        }
        Ok(())
    }
}
