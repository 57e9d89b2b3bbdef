//! `/api/v3/…`: traces as OTLP. Each parameter is known in camel and in snake case.
//!
//! Unlike Jaeger's, spans come exactly as they were sent unless `rawTraces=false` asks for adjustments: what came in as OTLP
//! goes out equal.
use super::envelope::{as_error, status_of, written};
use super::parameters::{LIMIT, LIMIT_MAX, Parameters, trace_id};
use super::{Service, texts};
use crate::trace::adjust::Adjustments;
use crate::trace::find::{Found, Order, Search};
use crate::{Error, Rights};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use metlog_schemas::span::json as span_json;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// An error as a gateway of gRPC writes it.
#[derive(Debug)]
pub(super) struct Failure(StatusCode, String);

impl Failure {
    fn bad(message: impl Into<String>) -> Failure {
        Failure(StatusCode::BAD_REQUEST, message.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(status_of(error.kind), error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure(status, message) = self;
        as_error(status, &json!({"error": {"httpCode": status.as_u16(), "message": message}}))
    }
}

/// The value of a parameter in either spelling.
fn get<'p>(parameters: &'p Parameters, camel: &str) -> Option<&'p str> {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    parameters.filled(camel).or_else(|| parameters.filled(&snake))
}

fn read<T>(
    parameters: &Parameters,
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Failure> {
    let wrong = |error| Failure::bad(format!("malformed parameter {name}: {error}"));
    get(parameters, name).map(read).transpose().map_err(wrong)
}

#[derive(Serialize)]
struct ServicesJson {
    services: Vec<String>,
}

pub(super) async fn services(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let services = service.traces(rights).services().await?;
    Ok(written(&ServicesJson { services }, &parameters))
}

pub(super) async fn operations(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let kind = get(&parameters, "spanKind");
    let found = service.traces(rights).operations(parameters.filled("service"), kind).await?;
    let operation = |of: crate::trace::find::Operation| {
        let kind = if of.kind.is_empty() { "internal".to_owned() } else { of.kind };
        json!({"name": of.name, "spanKind": kind})
    };
    let operations: Vec<_> = found.into_iter().map(operation).collect();
    Ok(written(&json!({ "operations": operations }), &parameters))
}

pub(super) async fn trace(
    State(service): State<Service>,
    rights: Rights,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let id = trace_id(&id).map_err(|error| Failure::bad(format!("malformed parameter trace_id: {error}")))?;
    read(&parameters, "startTime", texts::moment)?;
    read(&parameters, "endTime", texts::moment)?;
    let is_raw = read(&parameters, "rawTraces", texts::truth)?.unwrap_or(true);
    let found = service.traces(rights).load(&[id]).await?;
    result(found, is_raw, &parameters)
}

pub(super) async fn search(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let search = wanted(&parameters)?;
    let is_raw = read(&parameters, "query.rawTraces", texts::truth)?.unwrap_or(true);
    let traces = service.traces(rights);
    let (ids, _) = traces.search(&search).await?;
    result(traces.load(&ids).await?, is_raw, &parameters)
}

fn result(found: Found, is_raw: bool, parameters: &Parameters) -> Result<Response, Failure> {
    if found.is_empty() {
        return Err(Failure(StatusCode::NOT_FOUND, "No traces found".to_owned()));
    }
    let adjustments = if is_raw { Adjustments::NONE } else { Adjustments::JAEGER };
    Ok(written(&json!({"result": span_json::traces(&found.otlp(adjustments))}), parameters))
}

pub(super) async fn summaries(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let search = wanted(&parameters)?;
    let traces = service.traces(rights);
    let (ids, _) = traces.search(&search).await?;
    let summaries = traces.summaries(&ids, true).await?;
    let summary = |summary: crate::trace::find::Summary| {
        let services = summary.services.iter();
        let services = services
            .map(|of| json!({"name": of.name, "spanCount": of.spans, "errorSpanCount": of.errors}))
            .collect::<Vec<_>>();
        json!({
            "traceId": summary.id.to_string(),
            "rootServiceName": summary.root_service,
            "rootOperationName": summary.root_name,
            "minStartTimeUnixNano": summary.start.to_string(),
            "maxEndTimeUnixNano": summary.end.to_string(),
            "spanCount": summary.spans,
            "errorSpanCount": summary.errors,
            "orphanSpanCount": summary.orphans,
            "services": services,
        })
    };
    let summaries: Vec<_> = summaries.into_iter().map(summary).collect();
    Ok(written(&json!({ "summaries": summaries }), &parameters))
}

fn wanted(parameters: &Parameters) -> Result<Search, Failure> {
    let from = read(parameters, "query.startTimeMin", texts::moment)?;
    let until = read(parameters, "query.startTimeMax", texts::moment)?;
    let (Some(from), Some(until)) = (from, until) else {
        return Err(Failure::bad("query.startTimeMin and query.startTimeMax are required"));
    };
    if from > until {
        return Err(Failure::bad("query.startTimeMin must be before query.startTimeMax"));
    }
    let depth = match read(parameters, "query.searchDepth", texts::integer)? {
        Some(depth) => Some(depth),
        None => read(parameters, "query.numTraces", texts::integer)?,
    };
    let limit = usize::try_from(depth.unwrap_or(LIMIT as i64)).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let limit = limit
        .ok_or_else(|| Failure::bad(format!("malformed parameter query.searchDepth: it is from 1 to {LIMIT_MAX}")))?;
    let nanos = |name| -> Result<Option<u64>, Failure> {
        let found = read(parameters, name, texts::duration)?;
        Ok(found.and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0))
    };
    let tags = read(parameters, "query.attributes", |json| {
        serde_json::from_str::<BTreeMap<String, String>>(json).map_err(|error| error.to_string())
    })?;
    let filter = read(parameters, "query.filter", |text| {
        crate::filter::Filter::parse(metlog_schemas::table::Table::Spans, text).map_err(|error| error.to_string())
    })?;
    let (duration_min, duration_max) = (nanos("query.durationMin")?, nanos("query.durationMax")?);
    if duration_min.zip(duration_max).is_some_and(|(min, max)| max < min) {
        return Err(Failure::bad("query.durationMax must not be less than query.durationMin"));
    }
    Ok(Search {
        service: get(parameters, "query.serviceName").map(str::to_owned),
        operation: get(parameters, "query.operationName").map(str::to_owned),
        tags: tags.unwrap_or_default().into_iter().collect(),
        filter,
        from,
        until,
        duration_min,
        duration_max,
        order: Order::Newest,
        limit,
        ..Search::default()
    })
}
