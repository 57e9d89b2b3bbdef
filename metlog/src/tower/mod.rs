//! Middleware for axum, hyper, tonic and whatever else is a `tower` service of HTTP (cargo feature `tower`).
//!
//! [`Layer`] is for servers: each request is timed and counted, and is a span of the trace of whoever asks. [`ClientLayer`] is
//! for clients: each call is a span, and carries its context in its headers. For clients that take no layers there is
//! [`inject`].
//!
//! | statsd | |
//! |---|---|
//! | `http.request` | a timer: until the response's body has ended |
//! | `http.response.get.200` | a counter, by method and status; methods that HTTP does not define are `other`, a response that was not sent to its end is 499, a service that failed or panicked 500 |
//! | `http.grpc.0` | a counter, by the status of gRPC |
//!
//! | span | |
//! |---|---|
//! | name | `GET /users/{id}` with the route's template, `GET` without one; `pkg.Service/Method` for gRPC |
//! | attributes | `http.request.method`, `http.route`, `url.path`, `http.response.status_code`, `user_agent.original`; for gRPC `rpc.system`, `rpc.service`, `rpc.method`, `rpc.grpc.status_code` |
//! | error | a status from 500 on, a service or body that failed, a panic; of gRPC the statuses that are the server's fault |
//!
//! A request ends when the body of its response has, trailers included, or when whoever asked has gone away. What the service
//! and the body do meanwhile happens in the span: messages carry its ids, and spans are its children. A trace that is not
//! sampled costs its ids: no name is made, and no attribute.
//!
//! ```
//! use axum::{Router, extract::MatchedPath, routing::get};
//!
//! let layer = metlog::tower::Layer::new()
//!     .route(|request| request.extensions.get::<MatchedPath>().map(|path| path.as_str().into()));
//! let app: Router = Router::new().route("/users/{id}", get(|| async { "ann" })).layer(layer);
//! ```
mod body;
mod client;
mod exchange;
mod headers;
mod server;

pub use body::Body;
pub use client::{ClientLayer, ClientService};
pub use exchange::ResponseFuture;
pub use headers::{inject, inject_formats};
pub use server::{Head, Layer, Service};

#[cfg(test)]
mod tests;
