//! Servers for protocols that expect a response: one registry, which the configuration, the binding and the start work
//! from. A new server is one file here and one line in [`SERVERS`]; datagrams come in by the registry of formats.
mod bind;

pub use bind::{BoundServer, bind_all, in_use};

use super::connections::{Limits, accept_each, http1, http1_or_2, http2};
use super::otlp;
use super::submit::Submit;
use super::traces;
use crate::sampling::serve::SAMPLING;
use axum::Router;
use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// A server, as it is registered.
#[derive(Debug)]
pub struct Server {
    /// Its key in the configuration's `[listener]`.
    pub key: &'static str,
    /// Its name in logs.
    pub name: &'static str,
    /// The port on the loopback address where it listens unless told otherwise, and unless another program does.
    pub default_port: u16,
    /// Makes what it serves.
    pub service: fn(Submit) -> Service,
}

/// What a server serves. Connections are counted and timed for all kinds alike.
pub enum Service {
    /// Requests over HTTP/1.1.
    Http(Router),
    /// Requests over HTTP/2 without TLS, as gRPC has them.
    Grpc(Router),
    /// Either, by the first bytes of a connection.
    HttpOrGrpc(Router),
    /// Any other protocol; a future serves one connection. Its deadlines are its own.
    Stream(ServeStream),
}

/// Serves one connection to its end.
pub type ServeStream = Arc<dyn Fn(TcpStream, SocketAddr) -> BoxFuture<'static, ()> + Send + Sync>;

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Service::Http(_) => "Http",
            Service::Grpc(_) => "Grpc",
            Service::HttpOrGrpc(_) => "HttpOrGrpc",
            Service::Stream(_) => "Stream",
        })
    }
}

/// Each server; their order is that of listings.
pub static SERVERS: &[&Server] = &[
    &otlp::GRPC,
    &otlp::HTTP,
    &traces::JAEGER_GRPC,
    &traces::JAEGER_HTTP,
    &traces::ZIPKIN,
    &traces::SCRIBE,
    &traces::MILO,
    &SAMPLING,
];

/// The server of a key.
pub fn of_key(key: &str) -> Option<&'static Server> {
    SERVERS.iter().copied().find(|server| server.key == key)
}

impl Server {
    /// Serves a bound address until the task ends.
    pub(crate) async fn serve(&'static self, listener: TcpListener, submit: Submit, limits: Limits) {
        match (self.service)(submit) {
            Service::Http(router) => {
                accept_each(listener, self.name, limits, move |stream, peer| {
                    http1(stream, peer, router.clone(), limits)
                })
                .await;
            }
            Service::Grpc(router) => {
                accept_each(listener, self.name, limits, move |stream, peer| {
                    http2(stream, peer, router.clone(), limits)
                })
                .await;
            }
            Service::HttpOrGrpc(router) => {
                accept_each(listener, self.name, limits, move |stream, peer| {
                    http1_or_2(stream, peer, router.clone(), limits)
                })
                .await;
            }
            Service::Stream(serve) => {
                accept_each(listener, self.name, limits, move |stream, peer| serve(stream, peer)).await;
            }
        }
    }
}
