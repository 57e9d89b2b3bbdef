//! What stands where there is nothing else to show: loading, empty, failed, cut.
use crate::ask::Fault;
use crate::text::visible;
use maud::{Markup, html};

/// Until the part is there. The style sheet hides it once something follows, and for its first moment.
pub fn loading() -> Markup {
    html! { p.loading role="status" { "Loading…" } }
}

/// Nothing was found, and what to do about it.
pub fn empty(what: &str, advice: &str) -> Markup {
    html! { div.empty { p { strong { (what) } } @if !advice.is_empty() { p.note { (advice) } } } }
}

/// Something failed.
pub fn fault(fault: &Fault) -> Markup {
    html! {
        div.fault role="alert" {
            p { strong { "This could not be shown. " } (visible(&fault.message)) }
            @if let Some((line, column)) = fault.position { p.note { "Line " (line) ", column " (column) } }
            @if fault.is_temporary { p.note { "Choose a shorter time range, or load the page again." } }
        }
    }
}

/// The classes of [`partial`], by which it is found.
pub(crate) const PARTIAL: &str = "banner warn partial";

/// The result is a part of the rows.
pub fn partial(why: Option<&str>) -> Markup {
    html! { @if let Some(why) = why { p class=(PARTIAL) { "A part of the rows only: " (visible(why)) } } }
}

/// More was found than is shown.
pub fn truncated(shown: usize, of: Option<u64>) -> Markup {
    html! {
        p.banner.warn {
            "Showing the first " (crate::number::grouped(shown as u64))
            @if let Some(of) = of { " of " (crate::number::grouped(of)) }
            " rows."
        }
    }
}
