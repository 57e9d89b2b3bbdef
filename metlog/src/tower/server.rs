//! The layer of a server.
use super::exchange::{Counted, Exchange, ResponseFuture, is_grpc, within, words};
use super::headers;
use crate::Kind;
use crate::client::Client;
use crate::trace::{Span, To};
use http::{Extensions, HeaderMap, Method, Request, Response, Uri};
use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Of a request, all but its body: what a route is found by.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Head<'r> {
    /// Its method.
    pub method: &'r Method,
    /// What it asks for.
    pub uri: &'r Uri,
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// What the layers and the router above have put in.
    pub extensions: &'r Extensions,
}

type Route = dyn for<'r> Fn(&Head<'r>) -> Option<Cow<'r, str>> + Send + Sync;

/// A layer for servers: see the [module](super).
#[derive(Clone)]
pub struct Layer {
    client: Option<Client>,
    counted: Arc<Counted>,
    route: Option<Arc<Route>>,
}

impl Default for Layer {
    fn default() -> Layer {
        Layer { client: None, counted: counted("http"), route: None }
    }
}

fn counted(prefix: &str) -> Arc<Counted> {
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
    Arc::new(Counted { timer: format!("{prefix}request"), prefix })
}

impl Layer {
    /// Sends through the client of the process, from when [`init`](crate::init) was called.
    pub fn new() -> Layer {
        Layer::default()
    }

    /// Sends through this client.
    pub fn with_client(client: Client) -> Layer {
        Layer { client: Some(client), ..Layer::default() }
    }

    /// What the names of its timer and its counters begin with, followed by a dot. Default: `http`.
    pub fn prefix(mut self, prefix: &str) -> Layer {
        self.counted = counted(prefix);
        self
    }

    /// How the template of a request's route is found, which names its span: `/users/{id}`, and never a path with values in it,
    /// or names would be without bound. It is asked only for what is sampled. Default: there is none.
    pub fn route<F>(mut self, route: F) -> Layer
    where
        F: for<'r> Fn(&Head<'r>) -> Option<Cow<'r, str>> + Send + Sync + 'static,
    {
        self.route = Some(Arc::new(route));
        self
    }

    fn begin<B>(&self, request: &Request<B>) -> Exchange {
        let to = self.client.as_ref().map_or(To::Global, Client::to);
        let (word, method) = words(request.method());
        let (parent, baggage) = headers::extract(request.headers());
        let span = match parent {
            Some(parent) => Span::start_with(to.clone(), Some(&parent.with_baggage(baggage)), Vec::new(), word),
            None => Span::start_with(to.clone(), None, baggage, word),
        };
        let is_grpc = is_grpc(request.headers());
        if span.is_recording() {
            self.describe(&span, word, is_grpc, request);
        }
        let mut exchange = Exchange::begin(span, to, Some(self.counted.clone()), method);
        exchange.is_grpc = is_grpc;
        exchange
    }

    fn describe<B>(&self, span: &Span, word: &str, is_grpc: bool, request: &Request<B>) {
        let (method, uri, headers, extensions) =
            (request.method(), request.uri(), request.headers(), request.extensions());
        span.kind(Kind::Server).attribute("http.request.method", word).attribute("url.path", uri.path());
        if let Some(agent) = headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()) {
            span.attribute("user_agent.original", agent);
        }
        if is_grpc {
            describe_grpc(span, uri.path());
        } else if let Some(route) = &self.route
            && let Some(route) = route(&Head { method, uri, headers, extensions })
        {
            span.rename(&format!("{word} {route}")).attribute("http.route", &*route);
        }
    }
}

/// The name of a gRPC call is its path.
pub(super) fn describe_grpc(span: &Span, path: &str) {
    let name = path.trim_start_matches('/');
    let (service, method) = name.rsplit_once('/').unwrap_or(("", name));
    span.rename(name).attribute("rpc.system", "grpc");
    span.attribute("rpc.service", service).attribute("rpc.method", method);
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("client", &self.client).field("counted", &self.counted).finish_non_exhaustive()
    }
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Service<S>;

    fn layer(&self, inner: S) -> Service<S> {
        Service { inner, layer: self.clone() }
    }
}

/// A service within a [`Layer`].
#[derive(Debug, Clone)]
pub struct Service<S> {
    inner: S,
    layer: Layer,
}

impl<S, B, R> tower_service::Service<Request<B>> for Service<S>
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut exchange = Some(self.layer.begin(&request));
        let future = within(&mut exchange, || self.inner.call(request));
        ResponseFuture::new(future, exchange)
    }
}
