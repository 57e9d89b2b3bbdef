//! Servers for protocols that expect a response: one registry, which the configuration, the binding and the start work
//! from. A new server is one file here and one line in [`SERVERS`]; datagrams come in by the registry of formats.
mod bind;

pub use bind::{BoundServer, bind_all, in_use};

use super::connections::{self, Limits, accept_each, http1};
use super::otlp;
use super::submit::Submit;
use super::tls::Tls;
use super::traces;
use crate::sampling::serve::SAMPLING;
use axum::Router;
use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

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
    /// Requests over HTTP/2 from the first byte, as gRPC has them.
    Grpc(Router),
    /// Either, by the first bytes of a connection.
    HttpOrGrpc(Router),
    /// Any other protocol; a future serves one connection. Its deadlines are its own.
    Stream(ServeStream),
}

/// Serves one connection to its end.
pub type ServeStream = Arc<dyn Fn(Stream, SocketAddr) -> BoxFuture<'static, ()> + Send + Sync>;

/// A connection, with or without TLS.
pub type Stream = Box<dyn Connection>;

/// What a connection must be.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for S {}

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
    /// Serves a bound address until the task ends, over TLS where there is some.
    pub(crate) async fn serve(&'static self, listener: TcpListener, submit: Submit, limits: Limits, tls: Option<Tls>) {
        match ((self.service)(submit), tls) {
            (Service::Http(router), None) => {
                accept_each(listener, self.name, limits, move |stream, peer| {
                    http1(stream, peer, router.clone(), limits)
                })
                .await;
            }
            (Service::Grpc(router), tls) => {
                connections::serve_grpc(listener, router, self.name, limits, tls).await;
            }
            (Service::Http(router) | Service::HttpOrGrpc(router), tls) => {
                connections::serve(listener, router, self.name, limits, tls).await;
            }
            (Service::Stream(serve), tls) => {
                let name = self.name;
                let served = move |stream, peer| {
                    let (serve, tls) = (Arc::clone(&serve), tls.clone());
                    async move {
                        let Some(tls) = tls else { return serve(Box::new(stream), peer).await };
                        if let Some(stream) = connections::handshake(&tls, stream, peer, name, limits).await {
                            serve(Box::new(stream), peer).await;
                        }
                    }
                };
                accept_each(listener, name, limits, served).await;
            }
        }
    }
}
