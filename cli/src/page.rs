//! The page: what it shows of the listener of this process.
use crate::config::{AlertConfig, Config};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use metlog_listener::{Listener, LiveEvent};
use metlog_query::Pool;
use metlog_web::alert::Alerts;
use metlog_web::{Journal, Ledger, Live, LiveRows, Rejected, Sender, Sink, Site, Status};
use std::sync::Arc;

/// What the page is made of.
pub fn site(config: &Config, listener: Option<Listener>, pool: Option<Arc<Pool>>) -> Site {
    let alerts = listener.as_ref().and(pool.clone()).and_then(|pool| alerts(config, pool));
    let live = listener.map(|listener| Arc::new(LiveListener(listener)) as Arc<dyn Live>);
    let site = Site::new(pool, live, config.web.reports.clone(), config.sinks.parquet.url.clone());
    Site { alerts, ..site }
}

/// Alerts of the owner's reports: only the server that receives evaluates them, so that nobody is told twice.
fn alerts(config: &Config, pool: Arc<Pool>) -> Option<Arc<Alerts>> {
    let AlertConfig { webhook, headers, url } = config.alert.clone();
    let state = config.listener.data.join("alerts.json");
    let config = metlog_web::alert::Config { rules: config.web.reports.clone()?, webhook, headers, url, state };
    match Alerts::start(config, pool) {
        Ok(alerts) => Some(alerts),
        Err(error) => {
            tracing::error!(%error, "alerts are not evaluated");
            None
        }
    }
}

/// A listener of this process.
struct LiveListener(Listener);

impl Live for LiveListener {
    fn status(&self) -> Status {
        let health = self.0.health();
        let journal = self.0.journal();
        Status {
            ok: health.ok,
            problems: health.problems,
            ledger: ledger(self.0.ledger()),
            sinks: self.0.sinks().into_iter().map(sink).collect(),
            journal: Journal { bytes: journal.bytes, budget_bytes: journal.budget_bytes, segments: journal.segments },
            addresses: self.0.addresses(),
            series: self.0.series(),
        }
    }

    fn senders(&self) -> Vec<Sender> {
        let sender = |row: metlog_listener::senders::SenderRow| Sender {
            sender: row.sender,
            hostname: row.hostname.to_string(),
            logger: row.logger.to_string(),
            pid: row.pid,
            datagrams: row.datagrams,
            lost: row.lost,
            late: row.late,
            duplicates: row.duplicates,
            dropped: row.dropped,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
        };
        self.0.senders().into_iter().map(sender).collect()
    }

    fn rejected(&self) -> Vec<Rejected> {
        let rejected = |row: metlog_listener::Rejected| Rejected {
            received_at: row.received_at,
            reason: row.reason.to_owned(),
            source: serde_json::to_value(row.source)
                .ok()
                .and_then(|at| at.as_str().map(str::to_owned))
                .unwrap_or_default(),
            text: row.text,
        };
        self.0.rejected().into_iter().map(rejected).collect()
    }

    fn subscribe(&self) -> BoxStream<'static, LiveRows> {
        let next = |mut live: metlog_listener::Live| async move {
            let rows = match live.next().await? {
                LiveEvent::Rows(rows) => LiveRows::Rows(rows.table.name(), rows.batch),
                LiveEvent::Missed { batches, .. } => LiveRows::Missed(batches),
            };
            Some((rows, live))
        };
        stream::unfold(self.0.subscribe(), next).boxed()
    }
}

fn ledger(ledger: metlog_listener::ledger::Ledger) -> Ledger {
    Ledger {
        received: ledger.received,
        rejected: ledger.rejected_by_reason,
        dropped: ledger.dropped,
        stored: ledger.stored,
        set_aside: ledger.set_aside,
        missing: ledger.missing,
        held: ledger.held,
        lost: ledger.lost,
        dropped_by_clients: ledger.dropped_by_clients,
        dropped_by_kernel: ledger.dropped_by_kernel,
    }
}

fn sink(row: metlog_listener::SinkRow) -> Sink {
    Sink {
        name: row.sink,
        batches: row.batches,
        written: row.written,
        failures: row.failures,
        set_aside: row.set_aside,
        failing: row.failing,
        segments_waiting: row.segments_waiting,
        lag_seconds: row.lag_seconds,
    }
}
