//! Graphite's HTTP API over the table `metrics`: `/render`, `/metrics/find`, `/tags`, `/functions` and what else Grafana's
//! source for Graphite asks for, so that dashboards which were made with carbon go on working.
//!
//! Names are those that the Graphite sink sends (`metlog_schemas::carbon`), found in an index (`names`, `tree`, `tags`).
//! Targets are parsed (`target`), their points fetched with one query (`fetch`), and functions called (`evaluate`,
//! `functions`). `docs/graphite.md` lists every difference to carbon and graphite-web that is known.
//!
//! **Invariants.** Everything that a request can make large is bounded: targets, depth, names, points, times that are
//! asked for again. What is not supported is an error that says so, never an empty result.
mod aggregate;
mod attime;
mod evaluate;
mod events;
mod fetch;
mod find;
mod functions;
mod names;
mod number;
mod pattern;
mod render;
mod request;
mod rows;
mod series;
mod tag_views;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod tree;

use crate::access::Rights;
use crate::isolate::Pool;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get};
use metlog_schemas::carbon::Naming;
use names::Names;
use request::BODY_BYTES_MAX;
use rows::{OfPool, Rows};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How names are built, and how long carbon hears of series that get nothing.
#[derive(Debug, Clone)]
pub struct Config {
    /// As the Graphite sink's.
    pub naming: Naming,
    /// As `statsd.idle_after`.
    pub idle_after: Duration,
}

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Graphite {
    pool: Arc<Pool>,
    names: Arc<Names>,
    idle_after: i64,
}

impl Graphite {
    /// Rows that one who asks may see.
    fn rows(&self, rights: Rights) -> impl Rows + use<> {
        OfPool::new(Arc::clone(&self.pool), rights)
    }
}

/// Seconds since 1970 UTC.
fn seconds_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

/// What is asked for in the address, or in a form.
fn asked<T: 'static>(answer: impl Handler<T, Graphite>) -> MethodRouter<Graphite> {
    get(answer.clone()).post(answer)
}

/// The paths of Graphite's API, each with and without a slash at its end.
pub fn router(pool: Arc<Pool>, config: Config) -> Router {
    let idle_after = config.idle_after.as_secs() as i64;
    let state = Graphite { pool, names: Arc::new(Names::new(config.naming)), idle_after };
    let mut router = Router::new()
        .route("/metrics/index.json", asked(find::index))
        .route("/functions/{name}", get(find::function))
        .route("/tags/{tag}", get(tag_views::tag));
    for slash in ["", "/"] {
        let path = |path: &str| format!("{path}{slash}");
        router = router
            .route(&path("/render"), asked(render::render))
            .route(&path("/metrics/find"), asked(find::find))
            .route(&path("/metrics/expand"), asked(find::expand))
            .route(&path("/functions"), get(find::functions))
            .route(&path("/version"), get(find::version))
            .route(&path("/tags"), get(tag_views::tags))
            .route(&path("/tags/findSeries"), asked(tag_views::find_series))
            .route(&path("/tags/autoComplete/tags"), asked(tag_views::complete_tags))
            .route(&path("/tags/autoComplete/values"), asked(tag_views::complete_values))
            .route(&path("/events/get_data"), asked(events::get_data));
    }
    router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(state)
}
