//! The HTTP side: bodies, formats by `Accept`, statuses.
use super::isolated::{Server, question};
use super::*;
use crate::PoolConfig;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use object_store::local::LocalFileSystem;
use serde_json::json;
use tower::ServiceExt;

/// One stored and one hot message.
async fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    put(&store, &key(Table::Messages, HOUR, "a", 1), &messages(HOUR, &["stored, \"here\""])).await;
    let hot = FakeHot::new(2, vec![messages(Hour(HOUR.0 + 1), &["hot"])]);
    Server::new(PoolConfig::default(), folder, Some(hot))
}

async fn send(request: Request<Body>) -> (StatusCode, String, Vec<u8>) {
    let server = server().await;
    let response = server.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind.unwrap_or_default(), body.to_vec())
}

async fn post(accept: Option<&str>, body: impl Into<Body>) -> (StatusCode, String, Vec<u8>) {
    let request = Request::post("/api/sql").header(header::CONTENT_TYPE, "application/json");
    let request = accept.into_iter().fold(request, |request, accept| request.header(header::ACCEPT, accept));
    send(request.body(body.into()).unwrap()).await
}

const ALL: &str = "select timestamp, payload, severity, tokens, fields, null as nothing from messages order by 1";

#[tokio::test]
async fn json_is_the_default() {
    for accept in [None, Some("*/*"), Some("application/json"), Some("text/html, application/json;q=0.9")] {
        let (status, kind, body) = post(accept, question(ALL)).await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"));
        let stored = json!({
            "timestamp": "2026-03-04T05:00:00Z", "payload": "stored, \"here\"", "severity": 6,
            "tokens": ["login", "stored, \"here\""], "fields": {"headers.path": "/stored, \"here\""}, "nothing": null,
        });
        let hot = json!({
            "timestamp": "2026-03-04T06:00:00Z", "payload": "hot", "severity": 6,
            "tokens": ["login", "hot"], "fields": {"headers.path": "/hot"}, "nothing": null,
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!([stored, hot]));
    }
    let (_, _, body) = post(None, question("select payload from messages where false")).await;
    assert_eq!(body, b"[]");
}

#[tokio::test]
async fn csv_has_a_header_and_cells_of_json() {
    let (status, kind, body) = post(Some("text/csv"), question(ALL)).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/csv; charset=utf-8; header=present"));
    let expected = concat!(
        "timestamp,payload,severity,tokens,fields,nothing\n",
        "2026-03-04T05:00:00Z,\"stored, \"\"here\"\"\",6,\"[\"\"login\"\",\"\"stored, \\\"\"here\\\"\"\"\"]\",",
        "\"{\"\"headers.path\"\":\"\"/stored, \\\"\"here\\\"\"\"\"}\",\n",
        "2026-03-04T06:00:00Z,hot,6,\"[\"\"login\"\",\"\"hot\"\"]\",\"{\"\"headers.path\"\":\"\"/hot\"\"}\",\n",
    );
    assert_eq!(String::from_utf8(body).unwrap(), expected);
    let (_, _, body) = post(Some("text/csv"), question("select payload, fields from messages where false")).await;
    assert_eq!(body, b"payload,fields\n");
}

#[tokio::test]
async fn arrow_and_lines_of_json() {
    let (status, kind, body) = post(Some("application/vnd.apache.arrow.stream"), question(ALL)).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/vnd.apache.arrow.stream"));
    let reader = arrow::ipc::reader::StreamReader::try_new(body.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(4).data_type(), &metlog_schemas::table::map_type());
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
    let (status, kind, body) =
        post(Some("application/x-ndjson"), question("select payload from messages order by 1")).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/x-ndjson"));
    assert_eq!(String::from_utf8(body).unwrap(), "{\"payload\":\"hot\"}\n{\"payload\":\"stored, \\\"here\\\"\"}\n");
}

#[tokio::test]
async fn the_heavier_form_is_chosen() {
    for (accept, expected) in [
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv, application/json", "text/csv"),
        ("application/json;q=0, text/*;q=0.1", "text/csv"),
        ("image/png, */*;q=0.1", "application/json"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
    ] {
        let (status, kind, _) = post(Some(accept), question("select 1")).await;
        assert_eq!((status, kind.split(';').next().unwrap()), (StatusCode::OK, expected), "{accept}");
    }
}

#[tokio::test]
async fn mistakes_are_told_in_json() {
    let long = question(&format!("select '{}'", "x".repeat(crate::SQL_BYTES_MAX)));
    let longer = "x".repeat(10 * crate::SQL_BYTES_MAX);
    for (accept, body, status, kind, line) in [
        (None, question("select\n  * fro messages"), 400, "sql", json!(2)),
        (Some("text/csv"), question("select nothing from messages"), 400, "sql", json!(1)),
        (None, question("drop table messages"), 403, "read_only", json!(null)),
        (None, long, 400, "limit", json!(null)),
        (None, longer, 413, "request", json!(null)),
        (None, "select 1".to_owned(), 400, "request", json!(null)),
        (None, "{\"sql\": \"select 1\"}".to_owned(), 400, "request", json!(null)),
        (None, "{\"query\": 1}".to_owned(), 400, "request", json!(null)),
        (None, String::new(), 400, "request", json!(null)),
        (Some("image/png"), question("select 1"), 406, "request", json!(null)),
        (Some("application/json;q=0"), question("select 1"), 406, "request", json!(null)),
    ] {
        let (found, media_type, answer) = post(accept, body.clone()).await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!((found.as_u16(), media_type.as_str()), (status, "application/json"), "{text}");
        let error = &serde_json::from_slice::<Value>(&answer).unwrap()["error"];
        assert_eq!((&error["kind"], &error["line"]), (&json!(kind), &line), "{text}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    }
}

#[tokio::test]
async fn another_method_is_told_the_right_one() {
    let (status, kind, body) = send(Request::put("/api/sql").body(Body::empty()).unwrap()).await;
    assert_eq!((status, kind.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "application/json"));
    assert!(String::from_utf8(body).unwrap().contains("POST"));
}

async fn get(address: &str) -> (StatusCode, String, String) {
    let (status, kind, body) = send(Request::get(address).body(Body::empty()).unwrap()).await;
    (status, kind, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_link_has_its_query_in_the_address() {
    let (status, kind, body) = get("/api/sql?query=select+1+as+n&format=csv").await;
    assert_eq!((status, kind.split(';').next(), body.as_str()), (StatusCode::OK, Some("text/csv"), "n\n1\n"));
    for (address, expected) in [
        ("/api/sql", 400),
        ("/api/sql?query=drop+table+messages", 403),
        ("/api/sql?query=select+1&format=xml", 400),
        ("/api/sql?query=select+1&limit=1", 400),
        ("/api/sql?query=select+1&query=select+2", 400),
    ] {
        let (status, kind, body) = get(address).await;
        assert_eq!((status.as_u16(), kind.as_str()), (expected, "application/json"), "{address}: {body}");
    }
}

/// Guarantees: no text of a message is a formula where somebody opens the result in a spreadsheet.
#[tokio::test]
async fn a_spreadsheet_gets_text() {
    let hostile =
        "select '=1+1' as \"=a\", '+1' as b, '-1' as c, '@x' as d, ' =x' as e, -1 as f, ['=x'] as g, null as h";
    let query: String = hostile.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let address = format!("/api/sql?format=spreadsheet&query={query}");
    let (_, kind, body) = get(&address).await;
    assert!(kind.starts_with("text/csv"), "{kind}");
    assert_eq!(body, "'=a,b,c,d,e,f,g,h\n'=1+1,'+1,'-1,'@x, =x,-1,\"[\"\"=x\"\"]\",\n");
}

fn frames(body: &str) -> Vec<Value> {
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Guarantees: frames say what they are; the last one says whether that was all.
#[tokio::test]
async fn a_result_in_frames() {
    let frames_type = "application/vnd.metlog.frames+ndjson";
    let query = "select payload, cast(9007199254740993 as bigint) as big, null as none from messages order by 1";
    let (status, kind, body) = post(Some(frames_type), question(query)).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, frames_type));
    let lines: Vec<Value> = frames(&String::from_utf8(body).unwrap());
    assert_eq!(lines[0]["schema"][1], json!({"name": "big", "type": "Int64", "nullable": false}));
    let rows: Vec<Value> = lines.iter().filter_map(|line| line["rows"].as_array().cloned()).flatten().collect();
    assert_eq!(json!(rows), json!([["hot", "9007199254740993", null], ["stored, \"here\"", "9007199254740993", null]]));
    let done = &lines.last().unwrap()["done"];
    let read = &done["read"];
    assert_eq!((&done["rows"], &read["rows"], &read["objects"]), (&json!(2), &json!(1), &json!(1)), "{done}");
    assert!(read["bytes"].as_u64().unwrap() > 0 && done["partial"].is_null(), "{done}");
    // What cannot be planned has a status, what fails later is the last line.
    let (status, _, body) = post(Some(frames_type), question("select nothing from messages")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{}", String::from_utf8_lossy(&body));
    let (status, _, body) = get("/api/sql?format=frames&query=select+1/(value-899999)+as+n+from+range(900000)").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let lines = frames(&body);
    assert_eq!(lines.last().unwrap()["error"]["kind"], "sql", "{body}");
}
