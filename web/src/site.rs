//! What all views share: where rows come from, and what is known of the running listener.
use crate::live::Live;
use metlog_query::Pool;
use std::path::PathBuf;
use std::sync::Arc;

/// What the page is made of. Clones are the same one.
#[derive(Clone)]
pub struct Site {
    /// Runs SQL; `None` for `metlog listen`, which has no SQL: then only the state of the listener is shown.
    pub pool: Option<Arc<Pool>>,
    /// The listener of this process; `None` for `metlog serve`, which only reads a warehouse.
    pub live: Option<Arc<dyn Live>>,
    /// The owner's folder of reports, `web.reports`.
    pub reports: Option<PathBuf>,
    /// Where the warehouse is, in words.
    pub warehouse: String,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("warehouse", &self.warehouse).finish_non_exhaustive()
    }
}
