//! Traces: search with a scatter plot, one trace as a waterfall and in other ways, the map of services, and rate, errors and
//! durations. Every state stands in the address; nothing needs a script.
mod calls;
mod compare;
mod detail;
mod export;
mod flame;
mod format;
mod live;
mod map;
mod minimap;
mod one;
mod red;
mod scatter;
mod search;
mod statistics;
mod upload;
mod waterfall;

use crate::ask::Fault;
use crate::partial::Noting;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use maud::{Markup, html};
use metlog_query::trace::find::{Rows, Traces};
use std::sync::Arc;

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/traces", get(search::show))
        .route("/traces/map", get(map::show))
        .route("/traces/services", get(red::show))
        .route("/traces/compare", get(compare::show))
        .route("/traces/live", get(live::show))
        .route("/traces/export", get(export::found))
        .route("/traces/upload", post(upload::show).layer(DefaultBodyLimit::max(upload::BODY_BYTES_MAX)))
        .route("/traces/{id}", get(one::show))
        .route("/traces/{id}/export", get(export::one))
}

/// The traces that the visitor sees.
fn traces(visit: &Visit) -> Result<Traces, Fault> {
    let pool = visit.site.pool.clone();
    let pool = pool.ok_or_else(|| Fault::new("there is no SQL here: this server was started with `metlog listen`"))?;
    Ok(Traces::new(Arc::new(Noting(pool)) as Arc<dyn Rows>, visit.rights.clone()))
}

/// Another path with the parameters of this address, some of them replaced.
fn with(visit: &Visit, path: &str, changes: &[(&str, &str)]) -> String {
    let kept = visit.parameters.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
    let kept = kept.map(|(key, value)| (key.as_str(), value.as_str()));
    crate::visit::address(path, kept.chain(changes.iter().copied()))
}

/// The parts of this view.
fn tabs(visit: &Visit) -> Markup {
    const TABS: [(&str, &str); 5] = [
        ("/traces", "Search"),
        ("/traces/services", "Services"),
        ("/traces/map", "Map"),
        ("/traces/compare", "Compare"),
        ("/traces/live", "Live"),
    ];
    html! {
        nav.tabs aria-label="Traces" {
            @for (path, title) in TABS {
                a href=(visit.link(path, &[])) aria-current=[(visit.path == path).then_some("page")] { (title) }
            }
        }
    }
}

/// The number of a colour for a text: the same at all times.
fn colour(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // All but the red one, which means errors. The low bits alone are nearly the same for similar names.
    let places = [0, 1, 2, 3, 5, 6, 7];
    format!("s{}", places[((hash ^ (hash >> 29) ^ (hash >> 47)) % 7) as usize])
}
