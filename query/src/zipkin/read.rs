//! The paths of the read API.
use super::json;
use crate::jaeger::envelope::status_of;
use crate::jaeger::parameters::{Parameters, now};
use crate::trace::TraceId;
use crate::trace::find::{Columns, Rows, Search, Traces, literal, text, within};
use crate::{Error, Rights};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How far back is searched where nobody says, in milliseconds.
const LOOKBACK_MILLIS: u64 = 86_400_000;

/// How many traces where nobody says, and at most.
const LIMIT: u64 = 10;
const LIMIT_MAX: u64 = 10_000;

/// Names are kept by browsers where a site has more services than this.
const SERVICES_FEW: usize = 3;

/// Values that are offered for completion.
const VALUES_MAX: usize = 1_000;

type Store = Arc<dyn Rows>;

/// An error: its status and a line of text.
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(message: impl Into<String>) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST, message.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal(status_of(error.kind), error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], self.1).into_response()
    }
}

fn written(body: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Names, which change rarely where there are many.
fn names(names: BTreeSet<String>, services: usize) -> Response {
    let mut response = written(&json!(names));
    if services > SERVICES_FEW {
        let value = HeaderValue::from_static("max-age=300, must-revalidate");
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

async fn texts(traces: &Traces, sql: String) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for batch in &traces.sql(sql).await?.batches {
        let column = Columns(batch).texts("value")?;
        let values = (0..batch.num_rows()).map(|row| text(&column, row).to_lowercase());
        found.extend(values.filter(|value| !value.is_empty()));
    }
    Ok(found)
}

async fn service_names(traces: &Traces) -> Result<BTreeSet<String>, Error> {
    Ok(traces.services().await?.into_iter().map(|name| name.to_lowercase()).collect())
}

pub(super) async fn services(State(rows): State<Store>, rights: Rights) -> Result<Response, Refusal> {
    let found = service_names(&Traces::new(rows, rights)).await?;
    let count = found.len();
    Ok(names(found, count))
}

fn service(parameters: &Parameters) -> Result<&str, Refusal> {
    parameters.get("serviceName").ok_or_else(|| Refusal::bad("Required parameter 'serviceName' is not present."))
}

pub(super) async fn span_names(
    State(rows): State<Store>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let traces = Traces::new(rows, rights);
    let of = literal(&service(&parameters)?.to_lowercase());
    let found = texts(&traces, format!("select distinct name as value from spans where lower(service) = {of}")).await?;
    Ok(names(found, service_names(&traces).await?.len()))
}

pub(super) async fn remote_services(
    State(rows): State<Store>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let traces = Traces::new(rows, rights);
    let of = literal(&service(&parameters)?.to_lowercase());
    let query = format!(
        "select distinct attributes['peer.service'] as value from spans \
         where lower(service) = {of} and attributes['peer.service'] is not null"
    );
    Ok(names(texts(&traces, query).await?, service_names(&traces).await?.len()))
}

/// A number of a parameter.
fn number(parameters: &Parameters, name: &str) -> Result<Option<u64>, Refusal> {
    let wrong = |text: &str| Refusal::bad(format!("{name}: '{text}' is not a whole number"));
    parameters.filled(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}

pub(super) async fn traces(
    State(rows): State<Store>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let end = number(&parameters, "endTs")?.unwrap_or(now() / 1_000_000);
    let lookback = number(&parameters, "lookback")?.unwrap_or(LOOKBACK_MILLIS);
    let limit = number(&parameters, "limit")?.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::bad(format!("limit must be from 1 to {LIMIT_MAX}")));
    }
    let micros = |name| Ok::<_, Refusal>(number(&parameters, name)?.map(|micros| micros.saturating_mul(1_000)));
    let (duration_min, duration_max) = (micros("minDuration")?, micros("maxDuration")?);
    if duration_max.is_some() && duration_min.is_none() {
        return Err(Refusal::bad("maxDuration is only valid with minDuration"));
    }
    if duration_min.zip(duration_max).is_some_and(|(min, max)| max < min) {
        return Err(Refusal::bad("maxDuration < minDuration"));
    }
    let lower = |column: &str, name: &str| {
        let wanted = parameters.filled(name).filter(|value| *value != "all");
        wanted.map(|value| format!("lower({column}) = {}", literal(&value.to_lowercase())))
    };
    let mut more: Vec<String> = Vec::new();
    more.extend(lower("service", "serviceName"));
    more.extend(lower("name", "spanName"));
    more.extend(lower("attributes['peer.service']", "remoteServiceName"));
    more.extend(parameters.filled("annotationQuery").into_iter().flat_map(annotations));
    let search = Search {
        more,
        from: end.saturating_sub(lookback).saturating_mul(1_000_000),
        until: end.saturating_mul(1_000_000),
        duration_min,
        duration_max,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        ..Search::default()
    };
    let traces = Traces::new(rows, rights);
    let (ids, _) = traces.search(&search).await?;
    let found = traces.load(&ids).await?.traces();
    Ok(written(&found.iter().map(|trace| json::trace(&trace.spans)).collect()))
}

/// `error and http.method=GET`: a tag with a value, or an annotation or a tag with any.
fn annotations(query: &str) -> Vec<String> {
    let terms = query.split(" and ").map(str::trim).filter(|term| !term.is_empty());
    let condition = |term: &str| match term.split_once('=') {
        Some((key, value)) => format!("attributes[{}] = {}", literal(key.trim()), literal(value.trim())),
        None => {
            let name = literal(term);
            let error = if term == "error" { " or status = 'error'" } else { "" };
            format!("(attributes[{name}] is not null or array_has(event_names(events), {name}){error})")
        }
    };
    terms.map(condition).collect()
}

/// An id as Zipkin's clients write it.
fn id(text: &str) -> Result<TraceId, Refusal> {
    let is_lower_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let short = || Refusal::bad(format!("{text} should be lower-hex encoded with no prefix"));
    if text.len() > 32 {
        return Err(Refusal::bad("traceId.length > 32"));
    }
    TraceId::parse(text).filter(|_| is_lower_hex).ok_or_else(short)
}

pub(super) async fn no_trace() -> Refusal {
    Refusal::bad("traceId is empty")
}

pub(super) async fn trace(
    State(rows): State<Store>,
    rights: Rights,
    Path(text): Path<String>,
) -> Result<Response, Refusal> {
    let id = id(text.trim())?;
    let found = Traces::new(rows, rights).load(&[id]).await?.traces();
    match found.first() {
        Some(trace) => Ok(written(&json::trace(&trace.spans))),
        None => Err(Refusal(StatusCode::NOT_FOUND, format!("{} not found", text.trim()))),
    }
}

pub(super) async fn trace_many(
    State(rows): State<Store>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let text = parameters.filled("traceIds").ok_or_else(|| Refusal::bad("traceIds parameter is empty"))?;
    let mut ids: Vec<TraceId> = Vec::new();
    for part in text.split(',') {
        let id = id(part.trim())?;
        if ids.contains(&id) {
            return Err(Refusal::bad(format!("redundant traceId: {}", part.trim())));
        }
        ids.push(id);
    }
    if ids.len() < 2 {
        return Err(Refusal::bad("traceIds parameter requires at least two distinct trace IDs"));
    }
    let found = Traces::new(rows, rights).load(&ids).await?.traces();
    Ok(written(&found.iter().map(|trace| json::trace(&trace.spans)).collect()))
}

pub(super) async fn dependencies(
    State(rows): State<Store>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let end =
        number(&parameters, "endTs")?.ok_or_else(|| Refusal::bad("Required parameter 'endTs' is not present."))?;
    let lookback = number(&parameters, "lookback")?.unwrap_or(LOOKBACK_MILLIS);
    if end == 0 || lookback == 0 {
        return Err(Refusal::bad("endTs and lookback must be positive"));
    }
    let (from, until) = (end.saturating_sub(lookback).saturating_mul(1_000_000), end.saturating_mul(1_000_000));
    let found = Traces::new(rows, rights).dependencies(from, until).await?;
    let link = |of: &crate::trace::find::Dependency| {
        let mut link =
            json!({"parent": of.parent.to_lowercase(), "child": of.child.to_lowercase(), "callCount": of.calls});
        if of.errors > 0 {
            link["errorCount"] = of.errors.into();
        }
        link
    };
    Ok(written(&found.iter().map(link).collect()))
}

/// The last day, in which values are looked for.
fn last_day() -> String {
    let until = now();
    within(until.saturating_sub(LOOKBACK_MILLIS * 1_000_000), until)
}

pub(super) async fn keys(State(rows): State<Store>, rights: Rights) -> Result<Response, Refusal> {
    let query = format!(
        "select distinct unnest(map_keys(attributes)) as value from \
         (select attributes from spans where {} limit 10000) limit {VALUES_MAX}",
        last_day()
    );
    let mut found = BTreeSet::new();
    for batch in &Traces::new(rows, rights).sql(query).await?.batches {
        let column = Columns(batch).texts("value")?;
        found.extend((0..batch.num_rows()).map(|row| text(&column, row).to_owned()));
    }
    Ok(written(&json!(found)))
}

pub(super) async fn values(
    State(rows): State<Store>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let key = parameters.filled("key").ok_or_else(|| Refusal::bad("Required parameter 'key' is not present."))?;
    let key = literal(key);
    let query = format!(
        "select distinct attributes[{key}] as value from spans where {} and attributes[{key}] is not null \
         order by 1 limit {VALUES_MAX}",
        last_day()
    );
    let mut found = Vec::new();
    for batch in &Traces::new(rows, rights).sql(query).await?.batches {
        let column = Columns(batch).texts("value")?;
        found.extend((0..batch.num_rows()).map(|row| text(&column, row).to_owned()));
    }
    Ok(written(&json!(found)))
}
