//! `GET /api/filter?table=messages&filter=…`: the SQL of a filter, or what is wrong with it and where.
use super::Filter;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metlog_schemas::table::Table;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterQuery {
    #[serde(default = "messages")]
    table: String,
    #[serde(default)]
    filter: String,
}

fn messages() -> String {
    Table::Messages.name().to_owned()
}

/// The path `/api/filter`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/api/filter", get(explain))
}

async fn explain(query: Result<Query<FilterQuery>, QueryRejection>) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refusal(json!({"kind": "request", "message": rejection.body_text()})),
    };
    let Some(table) = Table::from_name(&query.table) else {
        let names = Table::ALL.map(Table::name).join(", ");
        return refusal(
            json!({"kind": "request", "message": format!("no table `{}`; there are {names}", query.table)}),
        );
    };
    match Filter::parse(table, &query.filter) {
        Ok(filter) => {
            Json(json!({"table": table.name(), "filter": filter.to_string(), "sql": filter.to_sql()})).into_response()
        }
        Err(error) => refusal(json!({
            "kind": "request", "message": error.to_string(), "position": error.position, "nearest": error.nearest
        })),
    }
}

fn refusal(error: serde_json::Value) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}
