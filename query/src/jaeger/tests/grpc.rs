//! gRPC, frame by frame.
use super::super::grpc_messages::{
    FindTraceSummariesResponse, FindTracesRequest, GetServicesRequest, GetServicesResponse, GetTraceRequest, Seconds,
    TraceQueryParameters,
};
use super::*;
use metlog_schemas::span::proto::TracesData;
use prost::Message;

/// Calls a method: gRPC's status and the messages.
async fn call(server: &Server, method: &str, message: &impl Message) -> (String, Vec<Vec<u8>>) {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend((bytes.len() as u32).to_be_bytes());
    framed.extend(bytes);
    let request = Request::post(format!("/jaeger.api_v3.QueryService/{method}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(Body::from(framed))
        .unwrap();
    let response = server.0.clone().oneshot(request).await.unwrap();
    let of =
        |headers: &axum::http::HeaderMap| headers.get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    let early = of(response.headers());
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    let late = body.trailers().and_then(of);
    let body = body.to_bytes();
    let (mut messages, mut rest) = (Vec::new(), &body[..]);
    while rest.len() >= 5 {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        messages.push(rest[5..5 + length].to_vec());
        rest = &rest[5 + length..];
    }
    (late.or(early).unwrap_or_default(), messages)
}

#[tokio::test]
async fn traces_come_over_grpc() {
    let server =
        Server::over(&[span(1, 1, 0, "front", 0, 9), span(1, 2, 1, "shop", 1, 5), span(2, 1, 0, "cron", 5, 1)]).await;
    let (status, messages) = call(&server, "GetServices", &GetServicesRequest {}).await;
    let services = GetServicesResponse::decode(messages[0].as_slice()).unwrap().services;
    assert_eq!((status.as_str(), services), ("0", vec!["cron".to_owned(), "front".into(), "shop".into()]));
    let request = GetTraceRequest { trace_id: "1".into(), raw_traces: true, ..GetTraceRequest::default() };
    let (status, messages) = call(&server, "GetTrace", &request).await;
    let data = TracesData::decode(messages[0].as_slice()).unwrap();
    assert_eq!((status.as_str(), messages.len(), data.resource_spans.len()), ("0", 1, 2));
    let seconds = |seconds: i64| Some(Seconds { seconds, nanos_of_second: 0 });
    let from = (T / 1_000_000_000) as i64;
    let query = TraceQueryParameters {
        start_time_min: seconds(from - 60),
        start_time_max: seconds(from + 60),
        attributes: [("host.name".to_owned(), "h1".to_owned())].into(),
        search_depth: 10,
        ..TraceQueryParameters::default()
    };
    let search = FindTracesRequest { query: Some(query) };
    let (status, messages) = call(&server, "FindTraces", &search).await;
    assert_eq!((status.as_str(), messages.len()), ("0", 2), "a message for each trace, the newest first");
    let (_, messages) = call(&server, "FindTraceSummaries", &search).await;
    let summaries = FindTraceSummariesResponse::decode(messages[0].as_slice()).unwrap().summaries;
    assert_eq!(summaries.iter().map(|of| of.span_count).collect::<Vec<_>>(), [1, 2]);
    let nothing = GetTraceRequest { trace_id: "77".into(), ..GetTraceRequest::default() };
    assert_eq!(call(&server, "GetTrace", &nothing).await.0, "5", "not found");
    let bad = GetTraceRequest { trace_id: "x y".into(), ..GetTraceRequest::default() };
    assert_eq!(call(&server, "GetTrace", &bad).await.0, "3", "invalid argument");
    assert_eq!(call(&server, "FindTraces", &FindTracesRequest { query: None }).await.0, "3");
}
