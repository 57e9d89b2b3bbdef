//! The same as plain text, for scripts and mail.
use super::grid::{Pane, short, span};
use super::model::Model;
use super::sample::LINES;
use crate::plural::grouped;
use std::fmt::Write;

/// Everything of the model, table by table, with whole names.
pub fn written(model: &Model) -> String {
    let mut text = String::new();
    let Some(sample) = model.latest() else { return text };
    let state = if sample.health.ok { "accepting messages" } else { "NOT accepting messages" };
    let _ = writeln!(text, "{}  {}  {state}", model.server, sample.clock);
    for wrong in model.wrongs() {
        let _ = writeln!(text, "! {wrong}");
    }
    let _ = writeln!(text, "\n{:<20} {:>15} {:>10}", "LEDGER", "messages", "per s");
    for line in &LINES {
        let rate = model.rate(line.count).filter(|_| line.has_rate).map(short).unwrap_or_default();
        let _ = writeln!(text, "{:<20} {:>15} {rate:>10}", line.name, grouped((line.count)(&sample.ledger)));
    }
    let _ = writeln!(text, "\n{:<20} {:>15} {:>10}  state", "SINK", "waiting", "behind");
    for sink in &sample.sinks.sinks {
        let state = sink.failing.as_ref().map_or("ok".to_owned(), |why| format!("failing: {why}"));
        let (waiting, behind) = (sink.segments_waiting, span(sink.lag_seconds));
        let _ = writeln!(text, "{:<20} {waiting:>15} {behind:>10}  {state}", sink.sink);
    }
    for pane in Pane::ALL {
        let _ = writeln!(text, "\n{}", pane.title().to_uppercase());
        match model.rows(pane) {
            Ok(rows) if rows.is_empty() => text.push_str("(none)\n"),
            Ok(rows) => table(&mut text, pane, &rows),
            Err(why) => {
                let _ = writeln!(text, "({why})");
            }
        }
    }
    text
}

fn table(text: &mut String, pane: Pane, rows: &[super::grid::Row]) {
    let heads = pane.heads();
    let titles = heads.iter().map(|head| head.title.to_owned()).collect::<Vec<_>>();
    let cells = rows.iter().map(|row| row.iter().map(super::grid::Cell::shown).collect::<Vec<_>>());
    let all: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
    let width = |at: usize| all.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for row in &all {
        let cells = row.iter().zip(heads).zip(&widths).map(|((cell, head), width)| match head.is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
