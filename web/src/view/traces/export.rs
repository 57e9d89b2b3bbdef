//! Traces as files: JSON as Jaeger and as OTLP write it, and their rows as CSV, of which a
//! spreadsheet runs nothing, and Parquet.
use super::{search, traces};
use crate::ask::Fault;
use crate::visit::Visit;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metlog_query::format::{Format, Writer};
use metlog_query::jaeger::trace_json;
use metlog_query::trace::TraceId;
use metlog_query::trace::adjust::Adjustments;
use metlog_schemas::span::json as otlp;
use serde_json::json;

pub(super) async fn one(Path(text): Path<String>, visit: Visit) -> Response {
    let Some(id) = TraceId::parse(&text) else { return refusal(&Fault::new(format!("{text} is no trace ID"))) };
    let name = format!("trace-{}", id.short());
    file(&visit, &[id], &name).await.unwrap_or_else(|fault| refusal(&fault))
}

pub(super) async fn found(visit: Visit) -> Response {
    let file = async {
        let (ids, _) = traces(&visit)?.search(&search::wanted(&visit)?).await?;
        file(&visit, &ids, "traces").await
    };
    file.await.unwrap_or_else(|fault| refusal(&fault))
}

fn refusal(fault: &Fault) -> Response {
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], fault.message.clone()).into_response()
}

async fn file(visit: &Visit, ids: &[TraceId], name: &str) -> Result<Response, Fault> {
    let traces = traces(visit)?;
    match visit.get("format").unwrap_or("jaeger") {
        "jaeger" => {
            let found = traces.load(ids).await?;
            let data: Vec<_> = found.traces().iter().map(|trace| trace_json(trace, Vec::new())).collect();
            let body = json!({"data": data, "total": 0, "limit": 0, "offset": 0, "errors": null});
            Ok(attached(&format!("{name}.json"), "application/json", body.to_string().into_bytes()))
        }
        "otlp" => {
            let body = otlp::traces(&traces.load(ids).await?.otlp(Adjustments::NONE)).to_string();
            Ok(attached(&format!("{name}-otlp.json"), "application/json", body.into_bytes()))
        }
        "csv" => rows(visit, ids, Format::Spreadsheet, &format!("{name}.csv"), "text/csv; charset=utf-8").await,
        "parquet" => {
            rows(visit, ids, Format::Parquet, &format!("{name}.parquet"), "application/vnd.apache.parquet").await
        }
        other => Err(Fault::new(format!("there is no format {other}: jaeger, otlp, csv, parquet"))),
    }
}

async fn rows(visit: &Visit, ids: &[TraceId], format: Format, name: &str, kind: &'static str) -> Result<Response, Fault> {
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let condition = if ids.is_empty() { "false".to_owned() } else { format!("trace_id in ({})", ids.join(", ")) };
    let rows = visit.ask(&format!("select * from spans where {condition} order by trace_id, start_unix_nanos")).await?;
    let broken = |error: arrow::error::ArrowError| Fault::new(format!("the rows cannot be written: {error}"));
    let mut writer = Writer::new(format, &rows.schema, Vec::new()).map_err(broken)?;
    for batch in &rows.batches {
        writer.write(batch).map_err(broken)?;
    }
    Ok(attached(name, kind, writer.finish().map_err(broken)?))
}

fn attached(name: &str, kind: &'static str, body: Vec<u8>) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CONTENT_DISPOSITION, disposition)];
    (headers, body).into_response()
}
