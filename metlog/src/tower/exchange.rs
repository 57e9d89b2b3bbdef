//! One request and its response: from its first byte to the end of its body, however that comes.
use super::body::Body;
use crate::Status;
use crate::statsd::Statsd;
use crate::text::InlineText;
use crate::trace::{Span, To};
use http::{HeaderMap, Method, Response, StatusCode};
use pin_project_lite::pin_project;
use std::fmt::{Display, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A response that was not sent to its end: who asked went away. As nginx counts it.
const GONE: u16 = 499;
/// What a service that fails is to whoever asked.
const FAILED: u16 = 500;
/// gRPC's status of a method that is not there: its name is whatever a client made up.
const GRPC_UNIMPLEMENTED: u16 = 12;
/// Those that are the server's fault: unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
const GRPC_FAULTS: [u16; 6] = [2, 4, GRPC_UNIMPLEMENTED, 13, 14, 15];
/// Longer names than this allocate.
const NAME_BYTES_INLINE: usize = 96;

/// The names of a method, for spans and for counters. A client may send any: names are few.
pub(super) fn words(method: &Method) -> (&'static str, &'static str) {
    match method.as_str() {
        "GET" => ("GET", "get"),
        "HEAD" => ("HEAD", "head"),
        "POST" => ("POST", "post"),
        "PUT" => ("PUT", "put"),
        "DELETE" => ("DELETE", "delete"),
        "OPTIONS" => ("OPTIONS", "options"),
        "PATCH" => ("PATCH", "patch"),
        "TRACE" => ("TRACE", "trace"),
        "CONNECT" => ("CONNECT", "connect"),
        _ => ("HTTP", "other"),
    }
}

/// True for a request of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// What a server counts; a client counts nothing.
#[derive(Debug)]
pub(super) struct Counted {
    /// Empty, or ends in a dot.
    pub prefix: String,
    /// `<prefix>request`.
    pub timer: String,
}

/// What is known of a request until it has ended.
#[derive(Debug)]
pub(super) struct Exchange {
    pub span: Span,
    pub to: To,
    pub counted: Option<std::sync::Arc<Counted>>,
    /// In lower case, for the counter.
    pub method: &'static str,
    pub began: Instant,
    pub is_grpc: bool,
    status: Option<u16>,
    grpc_status: Option<u16>,
    /// Its response says that it is one of gRPC.
    speaks_grpc: bool,
    /// Its response has no more to come.
    is_whole: bool,
    has_ended: bool,
}

impl Exchange {
    pub fn begin(span: Span, to: To, counted: Option<std::sync::Arc<Counted>>, method: &'static str) -> Exchange {
        let began = Instant::now();
        let (is_grpc, status, grpc_status) = Default::default();
        let (speaks_grpc, is_whole, has_ended) = Default::default();
        Exchange { span, to, counted, method, began, is_grpc, status, grpc_status, speaks_grpc, is_whole, has_ended }
    }

    /// The response begins. Where none of its body is sent, it ends.
    pub fn response(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status.as_u16());
        self.speaks_grpc = is_grpc(headers);
        self.grpc(headers);
        let is_empty = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || self.method == "head";
        if is_empty {
            self.whole();
        }
    }

    /// Looks for gRPC's status: in the headers of a response that is nothing else, or in its trailers.
    pub fn grpc(&mut self, headers: &HeaderMap) {
        let Some(status) = headers.get("grpc-status").filter(|_| self.is_grpc) else { return };
        // What is no number is `unknown`, as gRPC has it.
        self.grpc_status =
            Some(status.to_str().ok().and_then(|text| text.parse().ok()).filter(|code| *code <= 16).unwrap_or(2));
    }

    /// Nothing more will come.
    pub fn whole(&mut self) {
        self.is_whole = true;
        self.end();
    }

    /// The service, or the body, failed.
    pub fn failed(&mut self, why: &dyn Display) {
        if self.span.is_recording() {
            let why = why.to_string();
            self.span.event_with("exception", &[("exception.message", why.as_str().into())]);
            self.span.status(Status::Error, &why);
        }
        self.status.get_or_insert(FAILED);
        self.is_whole = true;
        self.end();
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let status = self.status.filter(|_| self.is_whole).unwrap_or(GONE);
        if self.span.is_recording() {
            self.describe(status);
        }
        self.span.end_here();
        if let Some(counted) = &self.counted {
            let count = |emitter: &crate::client::Emitter| {
                emitter.timing(&counted.timer, self.began.elapsed(), 1.0);
                // As in the other clients: what is no status of HTTP is 0.
                let status = if (100..=599).contains(&status) { status } else { 0 };
                let mut name = InlineText::<NAME_BYTES_INLINE>::default();
                let _ = write!(name, "{}response.{}.{status}", counted.prefix, self.method); // takes everything
                Statsd::on(&emitter.statsd, |statsd| statsd.incr(name.as_str()));
                if let Some(status) = self.grpc_status {
                    let mut name = InlineText::<NAME_BYTES_INLINE>::default();
                    let _ = write!(name, "{}grpc.{status}", counted.prefix);
                    Statsd::on(&emitter.statsd, |statsd| statsd.incr(name.as_str()));
                }
            };
            self.to.with(count);
        }
    }

    fn describe(&self, status: u16) {
        self.span.attribute("http.response.status_code", i64::from(status));
        let is_server = self.counted.is_some();
        if status >= 500 || (!is_server && status >= 400) {
            self.span.status_unless_set(Status::Error, &format!("HTTP {status}"));
        }
        // Anybody can call a request one of gRPC. Its path names the span only where a service of gRPC knew it.
        let is_known = match self.grpc_status {
            Some(grpc) => grpc != GRPC_UNIMPLEMENTED,
            None => self.speaks_grpc,
        };
        if is_server && self.is_grpc && !is_known {
            self.span.rename("grpc");
        }
        let Some(grpc) = self.grpc_status else { return };
        self.span.attribute("rpc.grpc.status_code", i64::from(grpc));
        if GRPC_FAULTS.contains(&grpc) || (!is_server && grpc != 0) {
            self.span.status_unless_set(Status::Error, &format!("gRPC {grpc}"));
        }
    }
}

/// Runs something of a request in its span. Where that panics, the request ends here: who drops it may do that much later.
pub(super) fn within<R>(exchange: &mut Option<Exchange>, run: impl FnOnce() -> R) -> R {
    struct Watch<'e>(&'e mut Option<Exchange>);

    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            if std::thread::panicking()
                && let Some(mut exchange) = self.0.take()
            {
                exchange.failed(&"panicked");
            }
        }
    }

    let watch = Watch(exchange);
    let _entered = watch.0.as_ref().map(|exchange| exchange.span.enter());
    run()
}

/// It was given up: whoever asked has gone away.
impl Drop for Exchange {
    fn drop(&mut self) {
        self.end();
    }
}

pin_project! {
    /// The response of a [`Service`](super::Service) or a [`ClientService`](super::ClientService), which is on its way.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // Before the future: where that is dropped, the request has ended.
        exchange: Option<Exchange>,
        #[pin]
        future: F,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(future: F, exchange: Option<Exchange>) -> ResponseFuture<F> {
        ResponseFuture { exchange, future }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body,
    E: Display,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = ready!(within(this.exchange, || this.future.poll(task)));
        let mut exchange = this.exchange.take();
        Poll::Ready(match polled {
            Ok(response) => {
                if let Some(exchange) = &mut exchange {
                    exchange.response(response.status(), response.headers());
                }
                let length = response.headers().get(http::header::CONTENT_LENGTH);
                let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
                Ok(response.map(|body| Body::new(body, exchange, length)))
            }
            Err(error) => {
                if let Some(mut exchange) = exchange {
                    exchange.failed(&error);
                }
                Err(error)
            }
        })
    }
}
