//! The search field over messages: what is typed, what is wrong with it, its parts to take out, its SQL.
use crate::text::{visible, visible_plain};
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::filter::{Filter, FilterError, term};
use metlog_schemas::table::Table;

/// Where the same filter shows what arrives.
const LIVE: &str = "/live";

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The address of the view that it is in.
    pub(crate) path: &'static str,
    /// As it stands in the address.
    pub(crate) text: String,
    /// All messages, where it cannot be read.
    pub(crate) filter: Filter,
    pub(crate) error: Option<FilterError>,
}

impl Search {
    pub(crate) fn of(visit: &Visit, path: &'static str) -> Search {
        let text = visit.get("filter").unwrap_or_default().to_owned();
        match Filter::parse(Table::Messages, &text) {
            Ok(filter) => Search { path, text, filter, error: None },
            Err(error) => Search { path, text, filter: Filter::all(Table::Messages), error: Some(error) },
        }
    }

    /// What a message must be, in SQL: of the range, and as searched.
    pub(crate) fn condition(&self, visit: &Visit) -> String {
        format!("{} and ({})", visit.range.condition("timestamp"), self.filter.to_sql())
    }

    /// The address of this view with another part in the filter.
    pub(crate) fn with(&self, visit: &Visit, column: &str, operator: &str, value: &str) -> String {
        let part = Filter::parse(Table::Messages, &term(column, operator, value));
        let filter = part.map_or_else(|_| self.filter.clone(), |part| self.filter.clone().and(part));
        self.here(visit, &filter.to_string())
    }

    fn here(&self, visit: &Visit, filter: &str) -> String {
        let columns = visit.get("columns").unwrap_or_default();
        let by = visit.get("by").unwrap_or_default();
        visit.link(self.path, &[("filter", filter), ("by", by), ("columns", columns)])
    }

    pub(crate) fn form(&self, visit: &Visit) -> Markup {
        html! {
            form.search method="get" action=(self.path) role="search" {
                label.sr for="filter" { "Filter" }
                input #filter name="filter" type="search" value=(self.text) autocomplete="off" spellcheck="false" maxlength="4096"
                    placeholder="type=login and severity<=warning, or any text"
                    aria-invalid=[self.error.is_some().then_some("true")] aria-describedby=[self.error.is_some().then_some("filter-error")];
                @for (key, value) in &visit.parameters {
                    @if matches!(key.as_str(), "from" | "to" | "zone" | "by" | "columns") && !value.is_empty() { input type="hidden" name=(key) value=(value); }
                }
                button.primary type="submit" { "Search" }
            }
            @if let Some(error) = &self.error { (self.wrong(visit, error)) } @else { (self.chips(visit)) }
            details.help {
                summary { "How to filter" }
                (help())
            }
        }
    }

    /// The text with its wrong word marked, and what was probably meant as a link.
    fn wrong(&self, visit: &Visit, error: &FilterError) -> Markup {
        let at = self.text.char_indices().nth(error.position).map_or(self.text.len(), |(at, _)| at);
        let (before, rest) = self.text.split_at(at);
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let meant = error.nearest.as_ref().map(|nearest| {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            format!("{before}{nearest}{}", &rest[name..])
        });
        html! {
            div.fault #filter-error role="alert" {
                p { strong { "The filter cannot be read. " } (visible(&error.message)) "." }
                p.mono { (visible(before)) mark.wrong { @if word.is_empty() { "…" } @else { (visible(word)) } } (visible(&rest[word.len()..])) }
                @if let Some(meant) = meant { p { "Did you mean " a href=(self.here(visit, &meant)) { code { (visible(&meant)) } } "?" } }
            }
        }
    }

    fn chips(&self, visit: &Visit) -> Markup {
        let parts = self.filter.parts();
        let without = |at: usize| {
            let others = parts.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| part.clone());
            others.reduce(Filter::and).map(|filter| filter.to_string()).unwrap_or_default()
        };
        let sql =
            format!("select *\nfrom messages\nwhere {}\norder by timestamp desc\nlimit 100", self.condition(visit));
        html! {
            div.chips {
                @for (at, part) in parts.iter().enumerate() {
                    span.chip { code { (visible(&part.to_string())) } a href=(self.here(visit, &without(at))) title="Remove this part" { "×" span.sr { " Remove " (visible_plain(&part.to_string())) } } }
                }
                @if self.path != LIVE { a.watch href=(visit.link(LIVE, &[("filter", &self.text)])) { "Watch live" } }
                details.sql {
                    summary { "SQL" }
                    pre tabindex="0" { code { (visible_lines(&sql)) } }
                    p { a href=(visit.link("/explore", &[("sql", &sql)])) { "Open in Explore" } }
                }
            }
        }
    }
}

/// SQL over several lines, each of which is made visible.
fn visible_lines(text: &str) -> Markup {
    html! { @for line in text.lines() { (visible(line)) "\n" } }
}

fn help() -> Markup {
    const TERMS: [(&str, &str); 8] = [
        ("refused", "the payload contains it; quote what has spaces: \"not found\""),
        ("type=login", "equal; also logger, hostname, pid, env_version, token, fields.<key>"),
        ("logger!=web", "not equal, or without a value"),
        ("payload~time.?out", "matches a regular expression; !~ does not"),
        ("severity<=warning", "numbers, and severities by name: 0 is the worst; also < > >="),
        ("fields.ms>500", "values of fields compared as numbers"),
        ("token=login logger=web", "side by side: both; or write and"),
        ("not (type=page or token=health)", "not, or, and parentheses"),
    ];
    html! {
        table.data.terms { tbody { @for (term, meaning) in TERMS { tr { td { code { (term) } } td { (meaning) } } } } }
        p.note { "The same language filters the live view, " code { "metlog tail" } ", and the API." }
    }
}
