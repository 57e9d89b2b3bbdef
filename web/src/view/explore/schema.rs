//! What there is to ask about: tables with columns, types and meanings; functions.
use crate::ask::{Fault, Rows};
use crate::part::table::kind;
use crate::text::visible;
use crate::visit::Visit;
use axum::Json;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use metlog_schemas::table::{PARTITION_COLUMNS, Table};
use serde_json::json;

/// The functions, each once.
const FUNCTIONS: &str = "select routine_name as name, min(description) as description, min(syntax_example) as example
from information_schema.routines group by 1 order by 1";

/// The columns of the table that is not stored.
const SENDERS: [(&str, &str, &str); 12] = [
    ("sender", "string", "identity; a new one for each start of a client"),
    ("hostname", "string", "host"),
    ("logger", "string", "logger"),
    ("pid", "bigint", "process"),
    ("datagrams", "bigint", "accepted"),
    ("lost", "bigint", "missing in its sequence"),
    ("late", "bigint", "arrived out of order"),
    ("duplicates", "bigint", "arrived again, rejected"),
    ("dropped", "bigint", "dropped by the client before sending"),
    ("first_seen", "timestamp", "when the first one was received"),
    ("last_seen", "timestamp", "when the last one was received"),
    ("implausible", "bigint", "rejected: no sender can have sent so many"),
];

struct Listed {
    name: &'static str,
    row: &'static str,
    sample: String,
    columns: Vec<(String, String, String)>,
}

fn listed(visit: &Visit) -> Vec<Listed> {
    let seen = Table::ALL.into_iter().filter(|table| visit.rights.sees_table(*table));
    let mut all: Vec<Listed> = seen
        .map(|table| {
            let definition = table.definition();
            let own = definition.columns.iter().map(|column| (column.field.name().clone(), kind(column.field.data_type()), plain(column.meaning)));
            let of_path = PARTITION_COLUMNS.iter().map(|(name, of)| ((*name).to_owned(), kind(of), "from the object's path, in UTC".to_owned()));
            let sample = format!("select * from {}\nwhere {time} >= :from and {time} < :to\norder by {time} desc\nlimit 20", table.name(), time = definition.time);
            Listed { name: table.name(), row: definition.row, sample, columns: own.chain(of_path).collect() }
        })
        .collect();
    if visit.site.live.is_some() {
        let columns = SENDERS.map(|(name, kind, meaning)| (name.to_owned(), kind.to_owned(), meaning.to_owned()));
        all.push(Listed { name: "senders", row: "One row per sender that the running server knows; not stored.", sample: "select * from senders order by lost desc limit 20".to_owned(), columns: columns.into() });
    }
    all
}

/// A line of Markdown as plain text.
fn plain(markdown: &str) -> String {
    markdown.replace('`', "")
}

/// The panel of tables.
pub(super) fn tables(visit: &Visit) -> Markup {
    html! {
        section.card.schema #tables {
            div.card-head { h2 { "Tables" } }
            @for table in listed(visit) {
                details {
                    summary { code { (table.name) } }
                    p.note { (plain(table.row)) " " a href=(visit.link("/explore", &[("sql", &table.sample)])) { "Sample" } }
                    dl { @for (name, kind, meaning) in &table.columns {
                        dt { button type="button" data-insert=(name) title=(format!("Insert {name}")) { (name) } " " span.note { (kind) } }
                        dd { (meaning) }
                    } }
                }
            }
        }
    }
}

/// The panel of functions.
pub(super) async fn functions(visit: &Visit) -> Result<Markup, Fault> {
    let rows = visit.ask(FUNCTIONS).await?;
    Ok(html! {
        p { input.find type="search" placeholder="Find a function" aria-label="Find a function"; }
        dl.functions { @for row in rows.iter() {
            @let [name, description, example] = [row[0].text(), row[1].text(), row[2].text()];
            div {
                dt { button type="button" data-insert=(format!("{name}(")) title=(example) { (visible(&name)) } }
                dd { (visible(&description)) }
            }
        } }
    })
}

/// The same for the editor's completion.
pub(super) async fn as_json(visit: Visit) -> Response {
    let tables: Vec<_> = listed(&visit)
        .into_iter()
        .map(|table| {
            let columns: Vec<_> = table.columns.iter().map(|(name, kind, meaning)| json!({"name": name, "type": kind, "meaning": meaning})).collect();
            json!({"name": table.name, "columns": columns})
        })
        .collect();
    let functions = visit.ask(FUNCTIONS).await.map(|rows| names(&rows)).unwrap_or_default();
    Json(json!({"tables": tables, "functions": functions})).into_response()
}

fn names(rows: &Rows) -> Vec<String> {
    let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    rows.iter().map(|row| row[0].text()).filter(is_name).collect()
}
