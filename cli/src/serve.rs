//! The HTTP server of `metlog up` and `metlog listen`: the listener's state, its live messages and, where there is an
//! engine, SQL.
use crate::config::QueryConfig;
use crate::filter::Filter;
use crate::hot::HotListener;
use arrow::array::RecordBatch;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use futures::stream;
use metlog_listener::Listener;
use metlog_listener::LiveRows;
use metlog_query::format::{Format, Writer};
use metlog_query::{Hot, Pool, PoolConfig, Rights};
use metlog_schemas::table::Table;
use metlog_web::Site;
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The key of a line of `/api/tail` that is no message: how many batches came too fast for this reader.
pub const MISSED: &str = "missed_batches";

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

/// Those of a server's pool.
pub fn pool_config(config: &QueryConfig) -> PoolConfig {
    PoolConfig { query: engine_config(config), ..PoolConfig::default() }
}

/// The rows of a listener, for an engine.
pub fn hot_rows(listener: &Listener) -> Arc<dyn Hot> {
    Arc::new(HotListener(listener.clone()))
}

/// All paths; SQL where there is a pool.
pub fn router(listener: Listener, pool: Option<Arc<Pool>>, site: Site) -> Router {
    let state = Router::new()
        .route("/api/ledger", get(ledger))
        .route("/api/senders", get(senders))
        .route("/api/rejected", get(rejected))
        .route("/api/addresses", get(addresses))
        .route("/api/sinks", get(sinks))
        .route("/api/tail", get(tail))
        .route("/health", get(health))
        .with_state(listener.clone())
        .route("/metrics", get(metrics).with_state((listener, pool.clone())));
    let api = pool.map(metlog_query::router).into_iter().fold(state, Router::merge);
    with_page(api, site)
}

/// The paths of a server that only reads a warehouse.
pub fn reading(site: Site, pool: Arc<Pool>) -> Router {
    let health = get(|| async { Json(json!({"ok": true, "problems": []})) });
    let metrics = get(|rights: Rights, State(pool): State<Arc<Pool>>| async move {
        see_totals(&rights).err().unwrap_or_else(|| exposition(pool.metrics_text()))
    });
    let state = Router::new().route("/health", health).route("/metrics", metrics.with_state(pool.clone()));
    with_page(state.merge(metlog_query::router(pool)), site)
}

fn with_page(api: Router, site: Site) -> Router {
    let api = api.fallback(unknown).layer(axum::middleware::map_response(metlog_web::headers::of_api));
    api.merge(metlog_web::router(site))
}

async fn unknown() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "no such path: there are /api/sql, /api/ledger, /api/senders, /api/rejected, /api/addresses, /api/sinks, /api/tail, /metrics, /health",
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
fn see_totals(rights: &Rights) -> Result<(), Response> {
    if !rights.is_restricted() {
        return Ok(());
    }
    let message = "this counts what all loggers sent, and this user sees some of them: see /api/senders, or run SQL";
    Err(forbidden(&metlog_query::Error::new(metlog_query::Kind::Forbidden, message)))
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
    if let Err(refused) = see_totals(&rights) {
        return refused;
    }
    Json(listener.ledger()).into_response()
}

/// The parameters of `/api/senders`: all senders, or one by its identity in hex.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendersQuery {
    sender: Option<String>,
}

async fn senders(rights: Rights, State(listener): State<Listener>, Query(query): Query<SendersQuery>) -> Response {
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
    if let Err(refused) = see_totals(&rights) {
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
    if let Err(refused) = see_totals(&rights) {
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

/// The parameters of `/api/tail`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TailQuery {
    r#type: Option<String>,
    logger: Option<String>,
    #[serde(default)]
    filter: String,
}

async fn tail(rights: Rights, State(listener): State<Listener>, Query(query): Query<TailQuery>) -> Response {
    let filter = match Filter::parse(&query.filter) {
        Ok(filter) => filter.and_same("type", query.r#type).and_same("logger", query.logger),
        Err(message) => return refusal(StatusCode::BAD_REQUEST, &message),
    };
    let lines = stream::unfold((listener.subscribe(), filter, rights), |(mut batches, filter, rights)| async move {
        let lines = next_lines(&mut batches, &filter, &rights).await?;
        Some((Ok::<Bytes, Infallible>(lines), (batches, filter, rights)))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// The next lines that there are, never none of them; `None` when the listener has stopped.
async fn next_lines(batches: &mut Receiver<LiveRows>, filter: &Filter, rights: &Rights) -> Option<Bytes> {
    loop {
        match batches.recv().await {
            Ok(rows) if rows.table != Table::Messages => (),
            Ok(LiveRows { table, batch }) => {
                let seen = rights.filter(table, &batch);
                let lines = seen.and_then(|batch| filter.apply(&batch)).and_then(|batch| json_lines(&batch));
                match lines {
                    Ok(lines) if lines.is_empty() => (),
                    Ok(lines) => return Some(lines.into()),
                    Err(error) => tracing::error!(%error, "messages could not be shown"),
                }
            }
            Err(RecvError::Lagged(batches)) => return Some(format!("{}\n", json!({ MISSED: batches })).into()),
            Err(RecvError::Closed) => return None,
        }
    }
}

fn json_lines(batch: &RecordBatch) -> Result<Vec<u8>, arrow::error::ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let mut writer = Writer::new(Format::Ndjson, &batch.schema(), Vec::new())?;
    writer.write(batch)?;
    writer.finish()
}
