//! What all views share: where rows come from, and what is known of the running listener.
use crate::alert::Alerts;
use crate::live::Live;
use crate::watch::Watch;
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
    /// What was seen of the listener in the last hour; empty where there is none.
    pub watch: Arc<Watch>,
    /// The owner's folder of reports, `web.reports`.
    pub reports: Option<PathBuf>,
    /// Where the warehouse is, in words.
    pub warehouse: String,
    /// Alerts, where this server evaluates any.
    pub alerts: Option<Arc<Alerts>>,
}

impl Site {
    /// Begins to watch the listener, where there is one. Needs a runtime.
    pub fn new(
        pool: Option<Arc<Pool>>,
        live: Option<Arc<dyn Live>>,
        reports: Option<PathBuf>,
        warehouse: String,
    ) -> Site {
        let watch = live.as_ref().map(Watch::start).unwrap_or_default();
        Site { pool, live, watch, reports, warehouse, alerts: None }
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("warehouse", &self.warehouse).finish_non_exhaustive()
    }
}
