//! Zipkin's v2 read API over the table `spans`, below `/api/v2` and `/zipkin/api/v2`: for its Lens, for Grafana, and for
//! whatever reads from Zipkin. Spans of any source are shown; those that came from Zipkin's clients as they were sent.
mod json;
mod read;

use crate::Pool;
use crate::trace::find::Rows;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// The paths of the read API, to be merged into a server's.
pub fn router(pool: Arc<Pool>) -> Router {
    over(Arc::new(pool))
}

/// Likewise, wherever rows come from.
pub(crate) fn over(rows: Arc<dyn Rows>) -> Router {
    let paths = Router::new()
        .route("/api/v2/services", get(read::services))
        .route("/api/v2/spans", get(read::span_names))
        .route("/api/v2/remoteServices", get(read::remote_services))
        .route("/api/v2/traces", get(read::traces))
        .route("/api/v2/trace/{id}", get(read::trace))
        .route("/api/v2/trace/", get(read::no_trace))
        .route("/api/v2/traceMany", get(read::trace_many))
        .route("/api/v2/dependencies", get(read::dependencies))
        .route("/api/v2/autocompleteKeys", get(read::keys))
        .route("/api/v2/autocompleteValues", get(read::values))
        .with_state(rows);
    Router::new().merge(paths.clone()).nest("/zipkin", paths)
}

#[cfg(test)]
mod tests;
