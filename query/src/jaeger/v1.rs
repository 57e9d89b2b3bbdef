//! `/api/…` of v1: traces, search, services, operations, dependencies, uploads.
use super::envelope::{Envelope, Problem, Refusal, partial, written};
use super::json::{TraceJson, trace as write};
use super::parameters::{Parameters, Wanted, now, trace_id};
use super::{Service, texts};
use crate::Rights;
use crate::trace::adjust::Adjustments;
use crate::trace::find::Found;
use crate::trace::{Trace, TraceId, otlp};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest body of an upload.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;

/// How far back dependencies go where nobody says, in nanoseconds.
const LOOKBACK_NANOS: u64 = 24 * 3_600 * 1_000_000_000;

pub(super) async fn trace(
    State(service): State<Service>,
    rights: Rights,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let id = trace_id(&id).map_err(Refusal::bad)?;
    // Times are hints that save Jaeger's stores work; they must be right all the same.
    parameters.moment("start", 1_000)?;
    parameters.moment("end", 1_000)?;
    let adjustments = parameters.adjustments()?;
    let found = service.traces(rights).load(&[id]).await?;
    if found.is_empty() {
        return Err(Refusal::not_found());
    }
    Ok(written(&envelope(found, adjustments), &parameters))
}

pub(super) async fn search(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&parameters, now())?;
    let traces = service.traces(rights);
    let is_search = wanted.ids.is_empty();
    let (ids, reason) = if is_search { traces.search(&wanted.search).await? } else { (wanted.ids.clone(), None) };
    let found = traces.load(&ids).await?;
    let missing: Vec<TraceId> = if is_search { Vec::new() } else { found.missing() };
    let mut envelope = envelope(found, wanted.adjustments).but(partial(reason));
    for id in missing {
        let problem = Problem { code: None, msg: texts::TRACE_NOT_FOUND.to_owned(), trace_id: Some(id.short()) };
        envelope = envelope.but(Some(problem));
    }
    Ok(written(&envelope, &parameters))
}

fn envelope(found: Found, adjustments: Adjustments) -> Envelope<Vec<TraceJson>> {
    let traces = found.traces().into_iter().map(|mut trace| {
        adjustments.apply(&mut trace);
        write(&trace, found.cut.iter().cloned().collect())
    });
    Envelope::of(traces.collect(), 0).but(partial(found.partial.clone()))
}

pub(super) async fn archive(
    State(service): State<Service>,
    rights: Rights,
    Path(id): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let id = trace_id(&id).map_err(Refusal::bad)?;
    let found = service.traces(rights).summaries(&[id], false).await?;
    if found.is_empty() {
        return Err(Refusal::not_found());
    }
    // Every trace stays for good: there is nothing to copy.
    let done = Envelope { errors: Some(Vec::new()), ..Envelope::of(Vec::<()>::new(), 0) };
    Ok(written(&done, &parameters))
}

pub(super) async fn services(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let names = service.traces(rights).services().await?;
    let total = names.len();
    Ok(written(&Envelope::of(names, total), &parameters))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationJson {
    name: String,
    span_kind: String,
}

pub(super) async fn operations(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let name = parameters.filled("service").ok_or_else(|| Refusal::bad("parameter 'service' is required"))?;
    let found = service.traces(rights).operations(Some(name), parameters.filled("spanKind")).await?;
    let total = found.len();
    let operations = found.into_iter().map(|of| OperationJson { name: of.name, span_kind: of.kind });
    Ok(written(&Envelope::of(operations.collect::<Vec<_>>(), total), &parameters))
}

pub(super) async fn operations_of_service(
    State(service): State<Service>,
    rights: Rights,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let found = service.traces(rights).operations(Some(&name), None).await?;
    let mut names: Vec<String> = found.into_iter().map(|operation| operation.name).collect();
    names.dedup();
    let total = names.len();
    Ok(written(&Envelope::of(names, total), &parameters))
}

pub(super) async fn transform(_: Rights, parameters: Parameters, body: Bytes) -> Result<Response, Refusal> {
    let spans = otlp::read(&body).map_err(|error| Refusal::bad(format!("cannot unmarshal OTLP: {error}")))?;
    let traces = Trace::assemble(spans).iter().map(|trace| write(trace, Vec::new())).collect::<Vec<_>>();
    Ok(written(&Envelope::of(traces, 0), &parameters))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DependencyJson {
    parent: String,
    child: String,
    call_count: u64,
}

pub(super) async fn dependencies(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let until = parameters.millis("endTs")?.unwrap_or_else(now);
    let lookback = parameters.millis("lookback")?.unwrap_or(LOOKBACK_NANOS);
    let found = service.traces(rights).dependencies(until.saturating_sub(lookback), until).await?;
    let of = parameters.filled("service");
    let mut calls: BTreeMap<(String, String), u64> = BTreeMap::new();
    for dependency in found {
        if of.is_none_or(|service| dependency.parent == service || dependency.child == service) {
            *calls.entry((dependency.parent, dependency.child)).or_default() += dependency.calls;
        }
    }
    let dependencies =
        calls.into_iter().map(|((parent, child), call_count)| DependencyJson { parent, child, call_count });
    Ok(written(&Envelope::of(dependencies.collect::<Vec<_>>(), 0), &parameters))
}

pub(super) async fn no_such_path() -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, message: "no such path".to_owned() }
}
