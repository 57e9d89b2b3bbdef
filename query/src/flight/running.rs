//! Queries that run, so that they can be cancelled by whoever began them.
use super::{Flight, broken};
use crate::access::Rights;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{Any, Command};
use arrow_flight::{Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo};
use bytes::Bytes;
use futures::stream;
use prost::Message;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tonic::{Response, Status};

/// By a number of their own.
#[derive(Default)]
pub(super) struct Running {
    queries: Mutex<HashMap<u64, One>>,
    next: std::sync::atomic::AtomicU64,
}

struct One {
    handle: Bytes,
    rights: Rights,
    cancelled: Arc<Notify>,
}

/// A query that runs, until this is dropped.
pub(super) struct Guard {
    running: Arc<Running>,
    number: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.running.lock().remove(&self.number);
    }
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, One>> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more; it is told when it is cancelled.
    pub(super) fn begin(self: &Arc<Running>, handle: &[u8], rights: &Rights) -> (Guard, Arc<Notify>) {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let cancelled = Arc::<Notify>::default();
        let one =
            One { handle: Bytes::copy_from_slice(handle), rights: rights.clone(), cancelled: Arc::clone(&cancelled) };
        self.lock().insert(number, one);
        (Guard { running: Arc::clone(self), number }, cancelled)
    }

    /// Cancels what this user runs of this query; how often that was.
    fn cancel_all(&self, info: &FlightInfo, rights: &Rights) -> usize {
        let tickets = info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref());
        let handles: Vec<Bytes> = tickets.filter_map(|ticket| handle_of(&ticket.ticket)).collect();
        let queries = self.lock();
        let meant = queries.values().filter(|one| one.rights == *rights && handles.contains(&one.handle));
        meant.map(|one| one.cancelled.notify_one()).count()
    }

    /// As a client of Flight SQL asks.
    pub(super) fn cancel(&self, info: &FlightInfo, rights: &Rights) -> i32 {
        // `CANCELLED` and `NOT_CANCELLABLE` of the protocol.
        if self.cancel_all(info, rights) > 0 { 1 } else { 3 }
    }

    /// Actions of Flight itself.
    ///
    /// # Errors
    /// For those that there are not.
    pub(super) fn act(
        &self,
        action: &Action,
        rights: &Rights,
    ) -> Result<Response<<Flight as FlightService>::DoActionStream>, Status> {
        if action.r#type != "CancelFlightInfo" {
            return Err(Status::unimplemented(format!("no action `{}`", action.r#type)));
        }
        let request = CancelFlightInfoRequest::decode(action.body.clone()).map_err(broken)?;
        let info = request.info.unwrap_or_default();
        let is_cancelled = self.cancel_all(&info, rights) > 0;
        let status = if is_cancelled { CancelStatus::Cancelled } else { CancelStatus::NotCancellable };
        let body = CancelFlightInfoResult::new(status).encode_to_vec().into();
        Ok(Response::new(Box::pin(stream::iter([Ok(arrow_flight::Result { body })]))))
    }
}

/// The handle in a ticket.
fn handle_of(ticket: &[u8]) -> Option<Bytes> {
    match Command::try_from(Any::decode(ticket).ok()?).ok()? {
        Command::TicketStatementQuery(query) => Some(query.statement_handle),
        Command::CommandPreparedStatementQuery(query) => Some(query.prepared_statement_handle),
        _ => None,
    }
}
