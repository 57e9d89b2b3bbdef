//! Jaeger's query interfaces over the table `spans`: HTTP v1 (`/api/traces` and what its UI and Grafana ask), `/api/v3`, and
//! gRPC. Paths, parameters, units, envelopes and error texts are Jaeger's, so that its clients need not change.
//!
//! What differs, since it is better: search is newest first over the whole range, `error=false` means what it says, events
//! keep their order, and adjustments are told and can be chosen (`adjust=`).
pub(crate) mod envelope;
mod grpc;
mod grpc_messages;
mod json;
mod measures;
pub(crate) mod parameters;
mod paths;
mod read;
pub(crate) mod texts;
mod v1;
mod v3;

pub use json::{TraceJson, trace as trace_json};
pub use read::read_traces;
pub use texts::duration;

use crate::trace::find::{Rows, Traces};
use crate::{Pool, Rights};
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// What requests share.
#[derive(Clone)]
pub(crate) struct Service {
    rows: Arc<dyn Rows>,
}

impl Service {
    fn traces(&self, rights: Rights) -> Traces {
        Traces::new(Arc::clone(&self.rows), rights)
    }
}

/// The paths of Jaeger's HTTP interfaces, at the root and below `/jaeger`, to be merged into the server's.
pub fn router(pool: Arc<Pool>) -> Router {
    over(Arc::new(pool))
}

/// Likewise, wherever rows come from.
pub(crate) fn over(rows: Arc<dyn Rows>) -> Router {
    let service = Service { rows };
    let below = paths(service.clone()).fallback(v1::no_such_path);
    paths(service.clone()).merge(grpc::paths().with_state(service)).nest("/jaeger", below)
}

fn paths(service: Service) -> Router {
    Router::new()
        .route("/api/traces", get(v1::search))
        .route("/api/traces/{id}", get(v1::trace))
        .route("/api/archive/{id}", post(v1::archive))
        .route("/api/services", get(v1::services))
        .route("/api/services/{service}/operations", get(v1::operations_of_service))
        .route("/api/operations", get(v1::operations))
        .route("/api/transform", post(v1::transform))
        .route("/api/dependencies", get(v1::dependencies))
        .route("/api/deep-dependencies", get(paths::deep_dependencies))
        .route("/api/metrics/latencies", get(measures::latencies))
        .route("/api/metrics/calls", get(measures::calls))
        .route("/api/metrics/errors", get(measures::errors))
        .route("/api/metrics/minstep", get(measures::minstep))
        .route("/api/quality-metrics", get(measures::quality))
        .route("/api/v3/services", get(v3::services))
        .route("/api/v3/operations", get(v3::operations))
        .route("/api/v3/traces", get(v3::search))
        .route("/api/v3/traces/{id}", get(v3::trace))
        .route("/api/v3/trace-summaries", get(v3::summaries))
        .layer(axum::extract::DefaultBodyLimit::max(v1::BODY_BYTES_MAX))
        .with_state(service)
}

#[cfg(test)]
mod tests;
