//! `/api/metrics/…` of v1: rate, errors and durations as Jaeger's Monitor asks for them, from the spans themselves.
use super::Service;
use super::envelope::{Envelope, Refusal, written};
use super::parameters::{Parameters, now};
use super::texts;
use crate::Rights;
use crate::trace::Kind;
use crate::trace::find::{Point, RedQuery, Series};
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::json;

const LOOKBACK_NANOS: u64 = 3_600 * 1_000_000_000;
const STEP_NANOS: u64 = 5 * 1_000_000_000;
const STEP_MIN_MILLIS: u64 = 1;

#[derive(Serialize)]
struct Family {
    name: String,
    r#type: &'static str,
    help: String,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    labels: Vec<Label>,
    metric_points: Vec<MetricPoint>,
}

#[derive(Serialize)]
struct Label {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricPoint {
    gauge_value: Gauge,
    timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gauge {
    double_value: f64,
}

/// The name and the help of what is measured, and its value in an interval; none where there is none.
struct Measure {
    name: &'static str,
    help: String,
    value: fn(&Point, u64) -> Option<f64>,
}

pub(super) async fn latencies(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let wrong = |error| Refusal::bad(format!("unable to parse param 'quantile': {error}"));
    let quantile = texts::number(parameters.get("quantile").unwrap_or_default()).map_err(wrong)?;
    if !(0.0..=1.0).contains(&quantile) {
        return Err(wrong(format!("{quantile} is not from 0 to 1")));
    }
    let measure = Measure {
        name: "latencies",
        help: format!("{quantile:.2}th quantile latency"),
        value: |point, _| point.quantile.map(|nanos| nanos / 1e6),
    };
    measured(&service, rights, &parameters, Some(quantile), &measure).await
}

pub(super) async fn calls(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let value = |point: &Point, step: u64| Some(point.calls as f64 / (step as f64 / 1e9));
    let measure = Measure { name: "call_rate", help: "calls/sec".to_owned(), value };
    measured(&service, rights, &parameters, None, &measure).await
}

pub(super) async fn errors(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let value = |point: &Point, _| Some(point.errors as f64 / point.calls.max(1) as f64);
    let help = "error rate, computed as a fraction of errors/sec over calls/sec".to_owned();
    let measure = Measure { name: "error_rate", help, value };
    measured(&service, rights, &parameters, None, &measure).await
}

async fn measured(
    service: &Service,
    rights: Rights,
    parameters: &Parameters,
    quantile: Option<f64>,
    measure: &Measure,
) -> Result<Response, Refusal> {
    let services: Vec<String> = parameters.all("service").map(str::to_owned).collect();
    if services.is_empty() {
        return Err(Refusal::bad("unable to parse param 'service': please provide at least one service name"));
    }
    let by_operation = parameters.read("groupByOperation", texts::truth)?.unwrap_or_default();
    let mut kinds = Vec::new();
    for name in parameters.all("spanKind") {
        let known = || Kind::ALL.into_iter().find(|kind| kind.word() == name);
        let kind = if name == "unspecified" { Some(Kind::Unspecified) } else { known() };
        let kind = kind.filter(|_| !name.is_empty()).ok_or_else(|| {
            Refusal::bad(format!("unable to parse param 'spanKind': unsupported span kind: '{name}'"))
        })?;
        kinds.push(kind.word().to_owned());
    }
    if kinds.is_empty() {
        kinds.push(Kind::Server.word().to_owned());
    }
    let until = parameters.millis("endTs")?.unwrap_or_else(now);
    let lookback = parameters.millis("lookback")?.unwrap_or(LOOKBACK_NANOS);
    let step = parameters.millis("step")?.filter(|step| *step > 0).unwrap_or(STEP_NANOS);
    // A rate here is over each step; the parameter must be right all the same.
    parameters.millis("ratePer")?;
    let query = RedQuery { services, kinds, by_operation, from: until.saturating_sub(lookback), until, step, quantile };
    let found = service.traces(rights).red(&query).await?;
    let (kind, group) =
        if by_operation { ("service_operation", "service & operation") } else { ("service", "service") };
    let family = Family {
        name: format!("{kind}_{}", measure.name),
        r#type: "GAUGE",
        help: format!("{}, grouped by {group}", measure.help),
        metrics: found.series.into_iter().map(|series| metric(series, step, measure)).collect(),
    };
    Ok(written(&family, parameters))
}

fn metric(series: Series, step: u64, measure: &Measure) -> Metric {
    let service = Label { name: "service_name", value: series.service };
    let operation = series.operation.map(|value| Label { name: "operation", value });
    let points = series.points.iter().filter_map(|point| {
        let double_value = (measure.value)(point, step)?;
        Some(MetricPoint { gauge_value: Gauge { double_value }, timestamp: rfc3339(point.at) })
    });
    Metric { labels: [Some(service), operation].into_iter().flatten().collect(), metric_points: points.collect() }
}

fn rfc3339(nanos: u64) -> String {
    let time = DateTime::<Utc>::from_timestamp_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

pub(super) async fn minstep(_: Rights, parameters: Parameters) -> Response {
    written(&Envelope::of(STEP_MIN_MILLIS, 0), &parameters)
}

/// Jaeger has a sample here that is always the same. What is not measured is not claimed.
pub(super) async fn quality(_: Rights, parameters: Parameters) -> Response {
    let body = json!({
        "traceQualityDocumentationLink": "https://github.com/jaegertracing/jaeger-analytics-java#trace-quality-metrics",
        "bannerText": {"value": "Trace quality is not measured", "styling": {}},
        "scores": [],
        "metrics": [],
        "clients": [],
    });
    written(&body, &parameters)
}
