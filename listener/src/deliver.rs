//! Delivery: one task for each sink, at that sink's own pace. A segment is offered again until the sink has
//! it or refuses it for good; the journal keeps it until then.
use crate::pipeline::{ClosedWindows, Pipeline, batch_of};
use crate::probe::Probe;
use crate::recover::again::Kept;
use metlog_schemas::table::TableMap;
use metlog_sink::{Batch, Next, Receipt, Role, Sink, SinkError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// First and longest wait after a failure; each doubles the one before.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The state of a sink, as reported to users.
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
    /// Why the last attempt failed; `None` if it did not.
    pub failing: Option<String>,
    /// Why the start-up check failed, until it passes.
    pub probe_failure: Option<String>,
}

/// The state of all sinks, by name.
pub type SinkStates = Arc<Mutex<BTreeMap<&'static str, SinkState>>>;

/// Serves a sink until the pipeline is dropped.
pub async fn deliver(pipeline: Arc<Pipeline>, mut sink: Box<dyn Sink>, states: SinkStates) {
    let mut progress = pipeline.watch();
    let mut cursor = (0, 0);
    let mut probe = Probe::new();
    loop {
        probe.run(&mut *sink, &states).await;
        progress.borrow_and_update();
        let served = match sink.role() {
            Role::Store | Role::Copy => segment(&pipeline, &mut *sink, &states).await,
            Role::Windows => windows(&pipeline, &mut *sink, &states, &mut cursor).await,
        };
        match served {
            Ok(true) => (),
            Ok(false) => tokio::select! {
                changed = progress.changed() => if changed.is_err() { return },
                () = probe.due() => (),
            },
            Err(error) => {
                tracing::error!("{}: {error}", sink.name());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Hands over the next sealed segment; false if there is none.
async fn segment(pipeline: &Arc<Pipeline>, sink: &mut dyn Sink, states: &SinkStates) -> std::io::Result<bool> {
    let Some(number) = pipeline.next_segment(sink.name()) else { return Ok(false) };
    // A copy recognises by its content what it has already, so the content must always be the same.
    let in_order = sink.role() == Role::Copy;
    let batch = match blocking(pipeline, move |pipeline| pipeline.batch(number, in_order)).await {
        Ok(batch) => batch,
        Err(error) => return pass_over(pipeline, sink.name(), number, error).await,
    };
    let unreadable = pipeline.expected(number).saturating_sub(batch.fact_rows() + batch.value_count());
    if unreadable > 0 && sink.role() == Role::Store {
        set_aside(pipeline, number, sink.name(), unreadable, "some of its records cannot be read back")?;
    }
    let written = write(sink, &batch, states).await;
    if let Err(error) = &written {
        let messages = pipeline.expected(number);
        set_aside(pipeline, number, sink.name(), messages, &format!("{} refused it: {error}", sink.name()))?;
    }
    let name = sink.name();
    blocking(pipeline, move |pipeline| pipeline.acknowledge(name, number, written.is_err(), unreadable)).await?;
    Ok(true)
}

/// Hands over windows that closed since the last call; false if there are none.
async fn windows(
    pipeline: &Arc<Pipeline>,
    sink: &mut dyn Sink,
    states: &SinkStates,
    cursor: &mut (u64, usize),
) -> std::io::Result<bool> {
    let (name, mut from) = (sink.name(), *cursor);
    // The cursor is returned even on error: it says which segment cannot be read.
    let (next, from) = blocking(pipeline, move |pipeline| Ok((pipeline.next_windows(name, &mut from), from))).await?;
    let ClosedWindows { segment, windows, last } = match next {
        Ok(Some(next)) => next,
        Ok(None) => return Ok(false),
        Err(error) => return pass_over(pipeline, name, from.0, error).await,
    };
    if !windows.is_empty() {
        let listener = pipeline.config().name.as_str().into();
        let batch = batch_of(listener, segment, TableMap::default(), windows);
        if let Err(error) = write(sink, &batch, states).await {
            tracing::error!("{name} refused windows for good: {error}");
        }
    }
    *cursor = from;
    if last {
        blocking(pipeline, move |pipeline| pipeline.acknowledge(name, segment, false, 0)).await?;
    }
    Ok(true)
}

/// Sets aside a segment that cannot be read back, since it would block all later ones; other errors may be temporary.
async fn pass_over(
    pipeline: &Arc<Pipeline>,
    sink: &'static str,
    number: u64,
    error: std::io::Error,
) -> std::io::Result<bool> {
    if !matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::NotFound) {
        return Err(error);
    }
    let work = move |pipeline: &Pipeline| {
        let messages = pipeline.expected(number);
        set_aside(pipeline, number, sink, messages, &format!("it cannot be read back: {error}"))?;
        pipeline.acknowledge(sink, number, true, 0)
    };
    blocking(pipeline, work).await?;
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
                tracing::warn!("{} is not available and will be retried: {message}", sink.name());
                let asked = if let Next::Retry(after) = next { after } else { None };
                // Jittered up to the bound, so that many listeners do not retry at once; never before the time requested.
                tokio::time::sleep(asked.unwrap_or(WAIT_MIN) + wait.mul_f64(rand::random())).await;
                wait = (wait * 2).min(WAIT_MAX);
            }
        }
    }
}

fn note(states: &SinkStates, name: &'static str, result: &Result<Receipt, SinkError>) {
    let mut states = crate::lock(states);
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

/// Keeps a segment that cannot be delivered where an operator finds it, even on a full disk.
fn set_aside(pipeline: &Pipeline, number: u64, sink: &str, messages: u64, why: &str) -> std::io::Result<()> {
    let Some(sealed) = pipeline.sealed(number) else { return Ok(()) };
    let folder = pipeline.config().data.join("set_aside");
    tracing::error!("segment {number} is set aside in {}: {why}; `metlog recover` retries it", folder.display());
    let stored = pipeline.expected(number).saturating_sub(messages);
    Kept { sink: sink.to_owned(), messages, stored, sealed, why: why.to_owned() }.keep(&pipeline.config().data, number)
}

async fn blocking<T: Send + 'static>(
    pipeline: &Arc<Pipeline>,
    work: impl FnOnce(&Pipeline) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let pipeline = pipeline.clone();
    tokio::task::spawn_blocking(move || work(&pipeline)).await.map_err(std::io::Error::other)?
}
