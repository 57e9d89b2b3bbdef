//! Delivery: one task for each sink, at that sink's own pace. A segment is offered again until the sink has
//! it or refuses it for good; the journal keeps it so long.
use crate::road::{ClosedWindows, Road};
use metlog_schemas::table::TableMap;
use metlog_sink::{Batch, Next, Receipt, Role, Sink, SinkError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// First and longest wait after a failure; each doubles the one before.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What users are told about a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Batches handed over.
    pub batches: u64,
    /// Messages or metrics handed over.
    pub written: u64,
    /// Messages that it refused for good.
    pub set_aside: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Why the last attempt failed; `None` where it did not.
    pub failing: Option<String>,
}

/// The state of all sinks, by name.
pub type SinkStates = Arc<Mutex<BTreeMap<&'static str, SinkState>>>;

/// Serves a sink until the road is gone.
pub async fn deliver(road: Arc<Road>, mut sink: Box<dyn Sink>, states: SinkStates) {
    let mut progress = road.watch();
    let mut cursor = (0, 0);
    loop {
        progress.borrow_and_update();
        let served = match sink.role() {
            Role::Store | Role::Copy => segment(&road, &mut *sink, &states).await,
            Role::Windows => windows(&road, &mut *sink, &states, &mut cursor).await,
        };
        match served {
            Ok(true) => (),
            Ok(false) => {
                if progress.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!("{}: {error}", sink.name());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Hands over the next sealed segment; false where there is none.
async fn segment(road: &Arc<Road>, sink: &mut dyn Sink, states: &SinkStates) -> std::io::Result<bool> {
    let Some(number) = road.next_segment(sink.name()) else { return Ok(false) };
    // A copy is told by its content whether it was there already, so the content must always be the same.
    let in_order = sink.role() == Role::Copy;
    let batch = match blocking(road, move |road| road.batch(number, in_order)).await {
        Ok(batch) => batch,
        Err(error) => return pass_over(road, sink.name(), number, error).await,
    };
    let unreadable = road.expected(number).saturating_sub(messages_in(&batch));
    if unreadable > 0 && sink.role() == Role::Store {
        set_aside(road, number, "records of it cannot be read back")?;
    }
    let written = write(sink, &batch, states).await;
    if let Err(error) = &written {
        set_aside(road, number, &format!("{} refused it: {error}", sink.name()))?;
    }
    let name = sink.name();
    blocking(road, move |road| road.acknowledge(name, number, written.is_err(), unreadable)).await?;
    Ok(true)
}

/// Hands over windows that closed since the last call; false where there are none.
async fn windows(
    road: &Arc<Road>,
    sink: &mut dyn Sink,
    states: &SinkStates,
    cursor: &mut (u64, usize),
) -> std::io::Result<bool> {
    let (name, mut from) = (sink.name(), *cursor);
    // The cursor comes back with an error too: it says which segment cannot be read.
    let (next, from) = blocking(road, move |road| Ok((road.next_windows(name, &mut from), from))).await?;
    let ClosedWindows { segment, windows, last } = match next {
        Ok(Some(next)) => next,
        Ok(None) => return Ok(false),
        Err(error) => return pass_over(road, name, from.0, error).await,
    };
    if !windows.is_empty() {
        let listener = road.config().name.as_str().into();
        let batch = Batch { listener, segment, rows: TableMap::default(), windows };
        if let Err(error) = write(sink, &batch, states).await {
            tracing::error!("{name} refused windows for good: {error}");
        }
    }
    *cursor = from;
    if last {
        blocking(road, move |road| road.acknowledge(name, segment, false, 0)).await?;
    }
    Ok(true)
}

/// A segment that cannot be read back is set aside, or what is behind it would never come; another error may pass.
async fn pass_over(road: &Arc<Road>, sink: &'static str, number: u64, error: std::io::Error) -> std::io::Result<bool> {
    if error.kind() != std::io::ErrorKind::InvalidData {
        return Err(error);
    }
    let work = move |road: &Road| {
        set_aside(road, number, &format!("it cannot be read back: {error}"))?;
        road.acknowledge(sink, number, true, 0)
    };
    blocking(road, work).await?;
    Ok(true)
}

/// Offers a batch until the sink has it; an error is a refusal for good.
async fn write(sink: &mut dyn Sink, batch: &Batch, states: &SinkStates) -> Result<Receipt, SinkError> {
    let mut wait = WAIT_MIN;
    loop {
        let result = sink.write(batch).await;
        note(states, sink.name(), &result);
        match result {
            Ok(receipt) => return Ok(receipt),
            Err(error) if error.next == Next::SetAside => return Err(error),
            Err(SinkError { next, message }) => {
                tracing::warn!("{} is not available and will be tried again: {message}", sink.name());
                let asked = if let Next::Retry(after) = next { after } else { None };
                // Up to the bound, so that many listeners do not come back at once; not before it was asked for.
                tokio::time::sleep(asked.unwrap_or(WAIT_MIN) + wait.mul_f64(rand::random())).await;
                wait = (wait * 2).min(WAIT_MAX);
            }
        }
    }
}

fn note(states: &SinkStates, name: &'static str, result: &Result<Receipt, SinkError>) {
    let mut states = crate::road::lock(states);
    let state = states.entry(name).or_default();
    match result {
        Ok(receipt) => {
            state.batches += 1;
            state.written += receipt.written;
            state.set_aside += receipt.set_aside;
            state.failing = None;
        }
        Err(error) => {
            state.failures += 1;
            state.failing = Some(error.message.clone());
        }
    }
}

fn messages_in(batch: &Batch) -> u64 {
    batch.fact_rows() + batch.value_count()
}

/// Gives the file of a segment that nobody can take a second name, where a human finds it. On a full disk too.
fn set_aside(road: &Road, number: u64, why: &str) -> std::io::Result<()> {
    let name = crate::journal::file_name(number);
    let folder = road.config().data.join("set_aside");
    tracing::error!("segment {number} is set aside in {}: {why}", folder.display());
    let source = road.config().data.join("journal").join(&name);
    match std::fs::hard_link(source, folder.join(&name)) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(
    road: &Arc<Road>,
    work: impl FnOnce(&Road) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let road = road.clone();
    tokio::task::spawn_blocking(move || work(&road)).await.map_err(std::io::Error::other)?
}
