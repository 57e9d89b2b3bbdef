//! The page: reports, charts, SQL and live views for people, served by the binary itself.
//!
//! A **view** is one folder of `view` and one line of its registry. It makes a [`Page`] of parts; each part is a query
//! of its own and is sent as soon as it is there, so that one that fails or takes long holds up no other. The frame
//! (navigation, time range, zone) and the components (`part`) are the same for all views.
//!
//! **Invariants.** Nothing is loaded from elsewhere. No script and no style stands in a document, and none comes from
//! data: what was received is text wherever it is shown. Every view is an address.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alert;
mod ask;
mod assets;
pub mod cell;
pub mod headers;
mod layout;
mod live;
mod login;
pub mod number;
mod page;
pub mod parameter;
pub mod part;
mod partial;
pub mod range;
mod site;
#[cfg(test)]
mod tests;
pub mod text;
#[cfg(test)]
mod vendored;
mod view;
pub mod visit;
mod watch;

pub use ask::{Fault, Rows};
pub use live::{Journal, Ledger, Live, LiveRows, Rejected, Sender, Sink, Status};
pub use login::{LOGIN_POLICY, Notice, Session, login_page};
pub use page::Page;
pub use range::{Micros, Range, Zone};
pub use site::Site;
pub use visit::Visit;
pub use watch::{Sample, Watch};

use axum::Router;

/// All paths of the page, to be merged into the server's.
pub fn router(site: Site) -> Router {
    let views = view::ALL.iter().fold(Router::new(), |router, view| router.merge((view.routes)()));
    views.merge(assets::router()).layer(axum::middleware::map_response(headers::of_page)).with_state(site)
}
