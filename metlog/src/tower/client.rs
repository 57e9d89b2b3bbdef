//! The layer of a client.
use super::exchange::{Exchange, ResponseFuture, is_grpc, within, words};
use super::headers;
use super::server::describe_grpc;
use crate::Kind;
use crate::client::Client;
use crate::trace::{Format, Span, To};
use http::{Request, Response, Uri};
use std::fmt::Display;
use std::task::{Context, Poll};

/// A layer for clients: each call is a span, a child of the span that its caller is in, from when the service is called to the
/// end of the response's body, and its context is put into the headers. What the call is answered with from 400 on is an error.
/// Without a configured client ([`init`](crate::init)) nothing is added to a request.
///
/// ```
/// use tower::ServiceBuilder;
///
/// # let http = tower::service_fn(|_: http::Request<String>| async { Ok::<_, std::io::Error>(http::Response::new(String::new())) });
/// let client = ServiceBuilder::new().layer(metlog::tower::ClientLayer::new()).service(http);
/// ```
#[derive(Debug, Clone)]
pub struct ClientLayer {
    client: Option<Client>,
    formats: Vec<Format>,
}

impl Default for ClientLayer {
    fn default() -> ClientLayer {
        ClientLayer { client: None, formats: vec![Format::W3c] }
    }
}

impl ClientLayer {
    /// Sends through the client of the process, from when [`init`](crate::init) was called.
    pub fn new() -> ClientLayer {
        ClientLayer::default()
    }

    /// Sends through this client.
    pub fn with_client(client: Client) -> ClientLayer {
        ClientLayer { client: Some(client), ..ClientLayer::default() }
    }

    /// The formats of the headers. Default: the W3C's.
    pub fn formats(mut self, formats: impl Into<Vec<Format>>) -> ClientLayer {
        self.formats = formats.into();
        self
    }

    fn begin<B>(&self, request: &mut Request<B>) -> Exchange {
        let to = self.client.as_ref().map_or(To::Global, Client::to);
        let (word, method) = words(request.method());
        let span = Span::start_here(to.clone(), word);
        let is_grpc = is_grpc(request.headers());
        if span.is_recording() {
            span.kind(Kind::Client).attribute("http.request.method", word);
            describe_url(&span, request.uri());
            if is_grpc {
                describe_grpc(&span, request.uri().path());
            }
        }
        if to.with(|_| ()).is_some() {
            headers::write(span.context(), request.headers_mut(), &self.formats);
        }
        let mut exchange = Exchange::begin(span, to, None, method);
        exchange.is_grpc = is_grpc;
        exchange
    }
}

/// Without the query, which may hold secrets.
fn describe_url(span: &Span, uri: &Uri) {
    span.attribute("url.path", uri.path());
    if let Some(host) = uri.host() {
        span.attribute("server.address", host);
    }
    if let Some(port) = uri.port_u16() {
        span.attribute("server.port", i64::from(port));
    }
}

impl<S> tower_layer::Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService { inner, layer: self.clone() }
    }
}

/// A service within a [`ClientLayer`].
#[derive(Debug, Clone)]
pub struct ClientService<S> {
    inner: S,
    layer: ClientLayer,
}

impl<S, B, R> tower_service::Service<Request<B>> for ClientService<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>>,
    S::Error: Display,
    R: http_body::Body,
{
    type Response = Response<super::Body<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut exchange = Some(self.layer.begin(&mut request));
        let future = within(&mut exchange, || self.inner.call(request));
        ResponseFuture::new(future, exchange)
    }
}
