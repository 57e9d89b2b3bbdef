//! Connections over HTTP within bounds: so many at a time, none that idles or does not read for ever.
//!
//! Descriptors are kept for the journal: [`raise_descriptor_limit`] asks for as many as the system grants, and all
//! connections together take a part of them.
use super::tls::{HTTP2_ALPN, Tls};
use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

/// What an HTTP/2 client sends first, in bytes.
const HTTP2_PREFACE_BYTES: usize = 24;
/// Requests at a time on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 64;
/// What an HTTP/2 client may send of a request before the server has read any of it.
const HTTP2_WINDOW_BYTES: u32 = 1 << 20;
/// Largest head of an HTTP/2 request.
const HTTP2_HEADERS_BYTES_MAX: u32 = 16 << 10;

/// How far clients may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; further ones are closed at once.
    pub connections: usize,
    /// Longest wait for the head of a request, and so for the next request on a connection.
    pub head: Duration,
    /// Longest time until the body of a request is there.
    pub body: Duration,
    /// Longest time in which a reader takes nothing of an answer.
    pub unread: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let connections = (descriptor_limit() / 4).clamp(16, 512);
        let half_a_minute = Duration::from_secs(30);
        Limits { connections, head: half_a_minute, body: half_a_minute, unread: half_a_minute }
    }
}

fn descriptor_limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}

/// Asks for as many descriptors as the system grants; how many that is.
pub fn raise_descriptor_limit() -> usize {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard);
    }
    descriptor_limit()
}

/// Logs refused connections at a limited rate, however many there are.
#[derive(Debug, Default)]
pub struct TurnedAway {
    count: AtomicU64,
    said: std::sync::Mutex<Option<Instant>>,
}

impl TurnedAway {
    /// One more.
    pub fn note(&self, what: &str, peer: Option<SocketAddr>) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if said.is_none_or(|at| at.elapsed() > Duration::from_secs(10)) {
            *said = Some(Instant::now());
            self.count.store(0, Ordering::Relaxed);
            let peer = peer.map_or_else(String::new, |peer| format!(", the last from {peer}"));
            tracing::warn!("{what}: too many connections, {count} refused{peer}");
        }
    }
}

/// Serves a router until the listener ends, over TLS where there is some; `name` is for logs.
pub async fn serve(listener: TcpListener, router: Router, name: &'static str, limits: Limits, tls: Option<Tls>) {
    let serve = move |stream, peer| {
        let (router, tls) = (router.clone(), tls.clone());
        async move {
            // gRPC comes without TLS as HTTP/2 from its first byte.
            let Some(tls) = tls else { return http1_or_2(stream, peer, router, limits).await };
            let Some(stream) = handshake(&tls, stream, peer, name, limits).await else { return };
            match stream.get_ref().1.alpn_protocol() == Some(HTTP2_ALPN) {
                true => http2_from_start(stream, peer, router, limits).await,
                false => http1(stream, peer, router, limits).await,
            }
        }
    };
    accept_each(listener, name, limits, serve).await;
}

/// Likewise over HTTP/2 from the first byte, as gRPC has it.
pub async fn serve_grpc(listener: TcpListener, router: Router, name: &'static str, limits: Limits, tls: Option<Tls>) {
    let serve = move |stream, peer| {
        let (router, tls) = (router.clone(), tls.clone());
        async move {
            let Some(tls) = tls else { return http2(stream, peer, router, limits).await };
            let Some(stream) = handshake(&tls, stream, peer, name, limits).await else { return };
            http2_from_start(stream, peer, router, limits).await;
        }
    };
    accept_each(listener, name, limits, serve).await;
}

/// TLS of a connection, or nothing where there is none in time.
pub(super) async fn handshake(
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    name: &'static str,
    limits: Limits,
) -> Option<TlsStream<TcpStream>> {
    let accepted = tokio::time::timeout(limits.head, tls.accept(stream)).await.ok()?;
    accepted.inspect_err(|error| tracing::debug!("{name}: {peer}: {error}")).ok()
}

/// Accepts connections within the limits, each served by a task of its own.
pub(super) async fn accept_each<F>(
    listener: TcpListener,
    name: &'static str,
    limits: Limits,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let turned_away = TurnedAway::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("{name}: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            turned_away.note(name, Some(peer));
            continue;
        };
        let _ = stream.set_nodelay(true);
        let served = serve(stream, peer);
        tokio::spawn(async move {
            let _place = place;
            served.await;
        });
    }
}

fn service(
    peer: SocketAddr,
    router: Router,
    limits: Limits,
) -> impl hyper::service::Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future = impl Future<Output = Result<axum::response::Response, std::convert::Infallible>> + Send,
> {
    hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(|body| Body::new(Timely { body, until: Box::pin(sleep(limits.body)) })))
    })
}

/// Serves one connection that speaks HTTP/1.1.
pub(super) async fn http1<S>(stream: S, peer: SocketAddr, router: Router, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(Watched::new(stream, limits.unread)), service(peer, router, limits))
        .with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!("{peer}: {error}");
    }
}

/// Serves one connection that speaks either, which its first bytes say: no method of HTTP/1.1 begins as HTTP/2 does.
pub(super) async fn http1_or_2(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits) {
    let mut first = [0u8; 3];
    let begins = async {
        while stream.peek(&mut first).await? < first.len() {
            sleep(Duration::from_millis(20)).await;
            if stream.peek(&mut first[..1]).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<bool, std::io::Error>(first == *b"PRI")
    };
    match tokio::time::timeout(limits.head, begins).await {
        Ok(Ok(true)) => http2(stream, peer, router, limits).await,
        Ok(Ok(false)) => http1(stream, peer, router, limits).await,
        _ => (),
    }
}

/// Serves one connection that speaks HTTP/2 from its first byte. It must begin in time; later a peer that does not answer
/// pings is cut off, and one that answers may idle.
pub(super) async fn http2(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits) {
    let mut first = [0u8; HTTP2_PREFACE_BYTES];
    let begins = async {
        // What a peer sends little by little wakes `readable` each time; `peek` leaves it where it is.
        while stream.peek(&mut first).await? < HTTP2_PREFACE_BYTES {
            sleep(Duration::from_millis(20)).await;
            if stream.peek(&mut first[..1]).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<(), std::io::Error>(())
    };
    if !matches!(tokio::time::timeout(limits.head, begins).await, Ok(Ok(()))) {
        return;
    }
    http2_from_start(stream, peer, router, limits).await;
}

/// Likewise, where it has begun.
async fn http2_from_start<S>(stream: S, peer: SocketAddr, router: Router, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(2 * HTTP2_WINDOW_BYTES)
        .max_header_list_size(HTTP2_HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(Watched::new(stream, limits.unread)), service(peer, router, limits));
    if let Err(error) = served.await {
        tracing::debug!("{peer}: {error}");
    }
}

/// A request body with a deadline.
struct Timely {
    body: Incoming,
    until: Pin<Box<Sleep>>,
}

impl HttpBody for Timely {
    type Data = bytes::Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.until.as_mut().poll(context).map(|()| Some(Err("the body did not arrive in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose writes fail when the peer reads nothing for too long.
#[derive(Debug)]
struct Watched<S> {
    stream: S,
    unread: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    fn new(stream: S, unread: Duration) -> Watched<S> {
        Watched { stream, unread, waiting: None }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, polled: Poll<std::io::Result<T>>) -> Poll<std::io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let unread = self.unread;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(unread)));
        match waiting.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                tracing::warn!("response aborted: the client read nothing for {unread:?}");
                Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
