//! The HTTP server of `metlog up` and `metlog listen`: the listener's state, its live messages and, where there is an
//! engine, SQL.
use crate::config::{Config, QueryConfig};
use crate::hot::HotListener;
use crate::live;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use metlog_listener::Listener;
use metlog_query::{Hot, Pool, PoolConfig, Rights};
use metlog_web::Site;
use metlog_web::alert::Alerts;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Less is too little for any query.
const QUERY_BYTES_MIN: usize = 16 << 20;

/// The bounds of an engine, as configured.
pub fn engine_config(config: &QueryConfig) -> metlog_query::Config {
    metlog_query::Config {
        memory_bytes: config.memory_bytes,
        rows_max: config.rows_max,
        time_max: config.time_max,
        store_wait: config.store_wait,
        concurrency: config.concurrency,
    }
}

/// Those of a server's pool. One query may have half of the budget of memory.
pub fn pool_config(config: &Config) -> PoolConfig {
    let budget = config.listener.budget.clone();
    let mut query = engine_config(&config.query);
    let most = metlog_query::memory_within(budget.bytes_max() / 2).max(QUERY_BYTES_MIN);
    if query.memory_bytes > most {
        let [wanted, given] = [query.memory_bytes, most].map(|bytes| bytes >> 20);
        tracing::warn!("query.memory is {given} MiB instead of {wanted}: one query may have half of limits.memory");
        query.memory_bytes = most;
    }
    PoolConfig { query, budget, ..PoolConfig::default() }
}

/// The rows of a listener, for an engine.
pub fn hot_rows(listener: &Listener) -> Arc<dyn Hot> {
    Arc::new(HotListener(listener.clone()))
}

/// How series are called in Graphite.
pub fn graphite_config(config: &Config) -> metlog_query::graphite::Config {
    let idle_after = config.listener.statsd_windows.idle_after;
    metlog_query::graphite::Config { naming: config.sinks.naming.clone(), idle_after }
}

/// What a pool serves.
fn of_pool(pool: Arc<Pool>, graphite: metlog_query::graphite::Config) -> Router {
    metlog_query::router(pool.clone()).merge(metlog_query::graphite::router(pool, graphite))
}

/// All paths; SQL where there is a pool.
pub fn router(listener: Listener, pool: Option<Arc<Pool>>, site: Site, config: &Config) -> Router {
    let state = Router::new()
        .route("/api/ledger", get(ledger))
        .route("/api/senders", get(senders))
        .route("/api/rejected", get(rejected))
        .route("/api/addresses", get(addresses))
        .route("/api/sinks", get(sinks))
        .route("/api/tail", get(live::tail))
        .merge(metlog_query::filter::router())
        .route("/health", get(health))
        .with_state(listener.clone())
        .route("/metrics", get(metrics).with_state((listener, pool.clone())))
        .route("/api/alerts", get(alerts).with_state(site.alerts.clone()));
    let api = pool.map(|pool| of_pool(pool, graphite_config(config))).into_iter().fold(state, Router::merge);
    with_page(api, site)
}

/// The paths of a server that only reads a warehouse.
pub fn reading(site: Site, pool: Arc<Pool>, config: &Config) -> Router {
    let health = get(|| async { Json(json!({"ok": true, "problems": []})) });
    let metrics = get(|rights: Rights, State(pool): State<Arc<Pool>>| async move {
        refuse_totals(&rights).unwrap_or_else(|| exposition(pool.metrics_text()))
    });
    let state = Router::new().route("/health", health).route("/metrics", metrics.with_state(pool.clone()));
    with_page(state.merge(of_pool(pool, graphite_config(config))), site)
}

fn with_page(api: Router, site: Site) -> Router {
    let api = api
        .merge(crate::openapi::routes())
        .fallback(unknown)
        .layer(axum::middleware::map_response(metlog_web::headers::of_api));
    api.merge(metlog_web::router(site))
}

async fn unknown() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "no such path: there are /api, which describes the others, /api/sql, /api/ledger, /api/senders, /api/rejected, /api/addresses, /api/sinks, /api/tail, /api/filter, /api/alerts, /api/traces, /api/services, /api/dependencies, /api/v3, /metrics, /health, and those of Graphite: /render, /metrics/find, /tags, /functions",
    )
}

/// As the read side writes its errors.
fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": {"kind": "request", "message": message}}))).into_response()
}

fn forbidden(error: &metlog_query::Error) -> Response {
    (StatusCode::FORBIDDEN, Json(error.to_json())).into_response()
}

/// Refuses who sees some loggers only: totals are of all.
fn refuse_totals(rights: &Rights) -> Option<Response> {
    if !rights.is_restricted() {
        return None;
    }
    let message = "this counts what all loggers sent, and this user sees some of them: see /api/senders, or run SQL";
    Some(forbidden(&metlog_query::Error::new(metlog_query::Kind::Forbidden, message)))
}

/// A request that cannot be answered, with details for programs.
pub(crate) fn refusal_with(message: &str, details: serde_json::Value) -> Response {
    let mut error = details;
    error["kind"] = "request".into();
    error["message"] = message.into();
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}

/// A bounded sample of what was rejected, the newest first.
async fn rejected(rights: Rights, State(listener): State<Listener>) -> Response {
    // Nobody knows whose these bytes are.
    if let Err(error) = rights.require_admin() {
        return forbidden(&error);
    }
    Json(listener.rejected()).into_response()
}

async fn ledger(rights: Rights, State(listener): State<Listener>) -> Response {
    if let Some(refused) = refuse_totals(&rights) {
        return refused;
    }
    Json(listener.ledger()).into_response()
}

/// Rules and their alerts; for those who may see everything, since a rule may look at anything.
async fn alerts(State(alerts): State<Option<Arc<Alerts>>>, rights: metlog_query::Rights) -> Response {
    if rights.is_restricted() {
        return refusal(StatusCode::FORBIDDEN, "alerts are for those who may see all loggers");
    }
    let webhook_error = alerts.as_ref().and_then(|alerts| alerts.webhook_error());
    let rules = alerts.map(|alerts| alerts.seen()).unwrap_or_default();
    Json(json!({ "rules": rules, "webhook_error": webhook_error })).into_response()
}

/// The parameters of `/api/senders`: all senders, or one by its identity in hex.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendersQuery {
    sender: Option<String>,
}

async fn senders(
    rights: Rights,
    State(listener): State<Listener>,
    query: Result<Query<SendersQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refusal(StatusCode::BAD_REQUEST, &rejection.body_text()),
    };
    let mut senders = listener.senders();
    senders.retain(|row| rights.sees_logger(&row.logger));
    if let Some(sender) = query.sender {
        senders.retain(|row| row.sender == sender);
    }
    Json(senders).into_response()
}

/// Where this listener is bound, so that a sender knows whose count it compares with.
async fn addresses(_: Rights, State(listener): State<Listener>) -> Response {
    let bound = listener.addresses().into_iter();
    let bound: Vec<_> = bound.map(|(name, address)| json!({"name": name, "address": address})).collect();
    Json(bound).into_response()
}

async fn metrics(rights: Rights, State((listener, pool)): State<(Listener, Option<Arc<Pool>>)>) -> Response {
    if let Some(refused) = refuse_totals(&rights) {
        return refused;
    }
    let text = listener.metrics_text() + &pool.map(|pool| pool.metrics_text()).unwrap_or_default();
    exposition(text)
}

fn exposition(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// How far each sink is, and the journal.
async fn sinks(rights: Rights, State(listener): State<Listener>) -> Response {
    if let Some(refused) = refuse_totals(&rights) {
        return refused;
    }
    Json(json!({"sinks": listener.sinks(), "journal": listener.journal()})).into_response()
}

/// Everybody may ask whether it is well; what is wrong only those learn who may see everything.
async fn health(rights: Option<Extension<Rights>>, State(listener): State<Listener>) -> Response {
    let mut health = listener.health();
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if rights.is_none_or(|rights| rights.is_restricted()) {
        health.problems.clear();
        health.warnings.clear();
    }
    (status, Json(health)).into_response()
}
