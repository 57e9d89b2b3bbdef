//! `jaeger.api_v3.QueryService` over gRPC, on the same addresses as HTTP: HTTP/2 with prior knowledge, as gRPC's clients speak
//! it.
use super::Service;
use super::grpc_messages::{
    DependenciesResponse, Dependency, FindTraceSummariesResponse, FindTracesRequest, GetDependenciesRequest,
    GetOperationsRequest, GetOperationsResponse, GetServicesRequest, GetServicesResponse, GetTraceRequest, Operation,
    ServiceSummary, TraceQueryParameters, TraceSummary,
};
use super::parameters::{LIMIT, LIMIT_MAX, trace_id};
use super::texts::TRACE_NOT_FOUND;
use crate::trace::adjust::Adjustments;
use crate::trace::find::{Found, Search, Summary, Traces};
use crate::{Error, Kind, Rights};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use futures::stream::{self, Iter};
use metlog_schemas::span::proto::TracesData;
use prost::Message;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// Spans in one message, so that clients with gRPC's usual limit of 4 MiB take it.
const SPANS_A_MESSAGE: usize = 1_000;

/// Summaries in one message.
const SUMMARIES_A_MESSAGE: usize = 500;

type Streamed<T> = Iter<std::vec::IntoIter<Result<T, Status>>>;

pub(super) fn paths() -> Router<Service> {
    let path = |method: &str| format!("/jaeger.api_v3.QueryService/{method}");
    Router::new()
        .route(&path("GetTrace"), post(|state, request| streaming(state, request, get_trace)))
        .route(&path("FindTraces"), post(|state, request| streaming(state, request, find_traces)))
        .route(&path("FindTraceSummaries"), post(|state, request| streaming(state, request, find_summaries)))
        .route(&path("GetServices"), post(|state, request| unary(state, request, get_services)))
        .route(&path("GetOperations"), post(|state, request| unary(state, request, get_operations)))
        .route(&path("GetDependencies"), post(|state, request| unary(state, request, get_dependencies)))
}

/// The traces that whoever asks may see.
fn traces(service: &Service, request: &Request) -> Result<Traces, Status> {
    let rights = request.extensions().get::<Rights>().cloned();
    rights.map(|rights| service.traces(rights)).ok_or_else(|| Status::unauthenticated("authentication is required"))
}

async fn unary<Q, A, F>(
    State(service): State<Service>,
    request: Request,
    call: impl Fn(Traces, Q) -> F + Send + Sync + Clone + 'static,
) -> Response
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    let traces = match traces(&service, &request) {
        Ok(traces) => traces,
        Err(status) => return status.into_http::<tonic::body::Body>().map(Body::new),
    };
    let codec = ProstCodec::<A, Q>::default();
    let mut server = Grpc::new(codec).accept_compressed(Gzip).send_compressed(Gzip);
    let answer = tower::service_fn(move |request: tonic::Request<Q>| {
        let result = call(traces.clone(), request.into_inner());
        async move { result.await.map(tonic::Response::new) }
    });
    server.unary(answer, request).await.map(Body::new)
}

async fn streaming<Q, A, F>(
    State(service): State<Service>,
    request: Request,
    call: impl Fn(Traces, Q) -> F + Send + Sync + Clone + 'static,
) -> Response
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    F: Future<Output = Result<Vec<A>, Status>> + Send + 'static,
{
    let traces = match traces(&service, &request) {
        Ok(traces) => traces,
        Err(status) => return status.into_http::<tonic::body::Body>().map(Body::new),
    };
    let codec = ProstCodec::<A, Q>::default();
    let mut server = Grpc::new(codec).accept_compressed(Gzip).send_compressed(Gzip);
    let answer = tower::service_fn(move |request: tonic::Request<Q>| {
        let result = call(traces.clone(), request.into_inner());
        async move {
            let messages: Vec<Result<A, Status>> = result.await?.into_iter().map(Ok).collect();
            Ok::<tonic::Response<Streamed<A>>, Status>(tonic::Response::new(stream::iter(messages)))
        }
    });
    server.server_streaming(answer, request).await.map(Body::new)
}

/// An error of a query as gRPC calls it.
fn failed(error: &Error) -> Status {
    let code = match error.kind {
        Kind::Request | Kind::Limit => Code::InvalidArgument,
        Kind::ReadOnly | Kind::Forbidden => Code::PermissionDenied,
        Kind::Timeout => Code::DeadlineExceeded,
        Kind::Storage => Code::Unavailable,
        Kind::Sql | Kind::Internal => Code::Internal,
    };
    Status::new(code, error.to_string())
}

fn messages(found: &Found, is_raw: bool) -> Vec<TracesData> {
    let adjustments = if is_raw { Adjustments::NONE } else { Adjustments::JAEGER };
    found.otlp_in_pieces(adjustments, SPANS_A_MESSAGE)
}

async fn get_trace(traces: Traces, request: GetTraceRequest) -> Result<Vec<TracesData>, Status> {
    let id = trace_id(&request.trace_id).map_err(Status::invalid_argument)?;
    let found = traces.load(&[id]).await.map_err(|error| failed(&error))?;
    if found.is_empty() {
        return Err(Status::not_found(TRACE_NOT_FOUND));
    }
    Ok(messages(&found, request.raw_traces))
}

async fn find_traces(traces: Traces, request: FindTracesRequest) -> Result<Vec<TracesData>, Status> {
    let query = request.query.unwrap_or_default();
    let (ids, _) = traces.search(&wanted(&query)?).await.map_err(|error| failed(&error))?;
    let found = traces.load(&ids).await.map_err(|error| failed(&error))?;
    Ok(messages(&found, query.raw_traces))
}

async fn find_summaries(traces: Traces, request: FindTracesRequest) -> Result<Vec<FindTraceSummariesResponse>, Status> {
    let query = request.query.unwrap_or_default();
    let (ids, _) = traces.search(&wanted(&query)?).await.map_err(|error| failed(&error))?;
    let summaries = traces.summaries(&ids, true).await.map_err(|error| failed(&error))?;
    let pieces = summaries.chunks(SUMMARIES_A_MESSAGE);
    Ok(pieces.map(|piece| FindTraceSummariesResponse { summaries: piece.iter().map(summary).collect() }).collect())
}

async fn get_services(traces: Traces, _: GetServicesRequest) -> Result<GetServicesResponse, Status> {
    Ok(GetServicesResponse { services: traces.services().await.map_err(|error| failed(&error))? })
}

async fn get_operations(traces: Traces, request: GetOperationsRequest) -> Result<GetOperationsResponse, Status> {
    let filled = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    let (service, kind) = (filled(&request.service), filled(&request.span_kind));
    let found = traces.operations(service.as_deref(), kind.as_deref()).await.map_err(|error| failed(&error))?;
    let operations = found.into_iter().map(|of| Operation { name: of.name, span_kind: of.kind });
    Ok(GetOperationsResponse { operations: operations.collect() })
}

async fn get_dependencies(traces: Traces, request: GetDependenciesRequest) -> Result<DependenciesResponse, Status> {
    let (Some(from), Some(until)) = (request.start_time, request.end_time) else {
        return Err(Status::invalid_argument("start_time and end_time are required"));
    };
    let found = traces.dependencies(from.nanos(), until.nanos()).await.map_err(|error| failed(&error))?;
    let dependency =
        |of: crate::trace::find::Dependency| Dependency { parent: of.parent, child: of.child, call_count: of.calls };
    Ok(DependenciesResponse { dependencies: found.into_iter().map(dependency).collect() })
}

fn wanted(query: &TraceQueryParameters) -> Result<Search, Status> {
    let (Some(from), Some(until)) = (&query.start_time_min, &query.start_time_max) else {
        return Err(Status::invalid_argument("start_time_min and start_time_max are required"));
    };
    let (from, until) = (from.nanos(), until.nanos());
    if from > until {
        return Err(Status::invalid_argument("start_time_min must be before start_time_max"));
    }
    let limit = match query.search_depth {
        0 => LIMIT,
        depth => usize::try_from(depth)
            .ok()
            .filter(|depth| *depth <= LIMIT_MAX)
            .ok_or_else(|| Status::invalid_argument(format!("search_depth is from 1 to {LIMIT_MAX}")))?,
    };
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut tags: Vec<(String, String)> = query.attributes.clone().into_iter().collect();
    tags.sort();
    Ok(Search {
        service: filled(&query.service_name),
        operation: filled(&query.operation_name),
        tags,
        from,
        until,
        duration_min: query.duration_min.as_ref().map(|duration| duration.nanos()).filter(|nanos| *nanos > 0),
        duration_max: query.duration_max.as_ref().map(|duration| duration.nanos()).filter(|nanos| *nanos > 0),
        limit,
        ..Search::default()
    })
}

fn summary(of: &Summary) -> TraceSummary {
    let count = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    let services = of.services.iter().map(|service| ServiceSummary {
        name: service.name.clone(),
        span_count: count(service.spans),
        error_span_count: count(service.errors),
    });
    TraceSummary {
        trace_id: of.id.to_string(),
        root_service_name: of.root_service.clone(),
        root_operation_name: of.root_name.clone(),
        min_start_time_unix_nano: of.start,
        max_end_time_unix_nano: of.end,
        span_count: count(of.spans),
        error_span_count: count(of.errors),
        orphan_span_count: count(of.orphans),
        services: services.collect(),
    }
}
