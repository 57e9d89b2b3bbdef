//! A grid of numbers, where the shade helps the eye and the number stands in its cell.
use crate::number::short;
use maud::{Markup, html};

/// Shades of the style sheet, `h0` to `h9`.
const SHADES: f64 = 9.0;

/// A grid: the titles of its columns, and rows of a title and a value for each column.
pub fn heat(caption: &str, columns: &[String], rows: &[(Markup, Vec<Option<f64>>)]) -> Markup {
    let values = rows.iter().flat_map(|(_, values)| values.iter().flatten().copied());
    let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.heat {
                caption.sr { (caption) }
                thead { tr { th {} @for column in columns { th scope="col" { (column) } } } }
                tbody {
                    @for (title, values) in rows {
                        tr {
                            th scope="row" { (title) }
                            @for value in values { (cell(*value, most)) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(value: Option<f64>, most: f64) -> Markup {
    match value {
        None => html! { td.none { "–" } },
        Some(value) => {
            let shade = if most > 0.0 { (value.max(0.0) / most).sqrt() * SHADES } else { 0.0 };
            html! { td class=(format!("n h{}", shade.round() as u8)) { (short(value)) } }
        }
    }
}
