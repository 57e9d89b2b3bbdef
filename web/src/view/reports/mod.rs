//! Reports: questions that somebody has asked before, with fields for what may differ.
//!
//! `file` reads a report's file, `shelf` finds all of them (those of metlog and those of the owner's folder), `fields`
//! makes its parameters a form and what was typed values, `draw` makes its result a chart.
mod draw;
mod fields;
mod file;
mod shelf;

use crate::ask::Fault;
use crate::page::Page;
use crate::parameter::{fill, of_range};
use crate::part::block;
use crate::part::table::Table;
use crate::site::Site;
use crate::text::visible;
use crate::visit::{Visit, segment};
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use file::Report;
use maud::{Markup, html};
use shelf::Shelf;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/reports", get(list)).route("/reports/{name}", get(show))
}

async fn list(visit: Visit) -> Page {
    let mut page = visit.page("Reports");
    let shelf = Shelf::read(visit.site.reports.as_deref()).await;
    page.now(html! {
        (broken(&shelf))
        ul.reports { @for report in &shelf.reports {
            li.card {
                h2 { a href=(visit.link(&format!("/reports/{}", segment(&report.name)), &[])) { (visible(&report.title)) } }
                p { (visible(&report.answers)) }
                @if report.is_own { p.note { "Your own: " code { (visible(&report.file)) } } }
            }
        } }
        p.note {
            "A report is a file: a title, SQL and its parameters. "
            @match &visit.site.reports {
                Some(folder) => { "Yours are read from " code { (visible(&folder.display().to_string())) } " whenever this page is loaded." }
                None => { "Name a folder of your own in the configuration: " code { "[web] reports = \"reports\"" } }
            }
        }
    });
    page
}

fn broken(shelf: &Shelf) -> Markup {
    html! { @for (file, problems) in &shelf.broken {
        div.fault role="alert" {
            p { strong { "This report cannot be used: " code { (visible(file)) } } }
            ul { @for problem in problems { li { (visible(&problem.to_string())) } } }
        }
    } }
}

async fn show(Path(name): Path<String>, mut visit: Visit) -> Page {
    let shelf = Shelf::read(visit.site.reports.as_deref()).await;
    let Some(report) = shelf.reports.iter().find(|report| report.name == name) else {
        let mut page = visit.page("No such report");
        page.status(StatusCode::NOT_FOUND);
        let (file, problems): (Vec<_>, Vec<_>) = shelf.broken.iter().filter(|(file, _)| shelf::name_of(file) == name).cloned().unzip();
        let broken_one = Shelf { reports: Vec::new(), broken: file.into_iter().zip(problems).collect() };
        page.now(html! { (broken(&broken_one)) (block::empty("There is no such report.", "")) p { a href=(visit.link("/reports", &[])) { "All reports" } } });
        return page;
    };
    if let Some(from) = &report.from {
        visit.begin_at(from);
    }
    let mut page = visit.page(report.title.clone());
    let typed = fields::read(report, &visit);
    page.now(html! {
        p.lead { (visible(&report.answers)) }
        (fields::form(report, &visit, &typed))
    });
    match typed.values {
        Ok(values) => {
            let own = fill(&report.sql, &values);
            page.now(actions(&visit, &own.sql));
            let (report, asking, sql) = (report.clone(), visit.clone(), own.sql.clone());
            page.later("Result", async move { result(&report, &asking, &sql).await });
            page.now(html! { section.card { details.sql { summary { "SQL" } pre { (own.sql) } } } });
        }
        Err(why) => page.now(block::fault(&Fault::new(why))),
    }
    page
}

/// What can be done with the result besides looking at it. The time range stays one in Explore.
fn actions(visit: &Visit, sql: &str) -> Markup {
    let file = |format: &str| visit.link_with_range("/explore/export", &[("format", format), ("sql", sql)]);
    html! {
        p.actions {
            a.button href=(visit.link_with_range("/explore", &[("sql", sql)])) { "Open in Explore" }
            a.button href=(file("csv")) download { "CSV" }
            a.button href=(file("json")) download { "JSON" }
            a.button href=(file("parquet")) download { "Parquet" }
        }
    }
}

async fn result(report: &Report, visit: &Visit, sql: &str) -> Result<Markup, Fault> {
    let rows = visit.ask(&fill(sql, &of_range(&visit.range)).sql).await?;
    if rows.is_empty() {
        return Ok(html! { (block::partial(rows.partial.as_deref())) (block::empty("Nothing in this time range.", "Choose a longer one above, or other values.")) });
    }
    let chart = draw::chart(report, &rows, visit)?;
    Ok(html! {
        @if let Some(chart) = chart { (chart) }
        (Table::new(&rows, report.title.clone()).show())
    })
}
