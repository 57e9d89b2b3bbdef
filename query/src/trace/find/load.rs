//! Whole traces: rows of `spans` in pages, and spans of them.
use super::{Columns, SPANS_A_PAGE, SPANS_MAX, Traces, sql, text};
use crate::trace::adjust::Adjustments;
use crate::trace::{Attribute, Event, Link, Resource, Scope, Span, SpanId, Trace, TraceId, Value, halves, otlp};
use crate::{Batches, Error, Kind as ErrorKind};
use metlog_schemas::span::proto::{AnyValue, TracesData};
use metlog_schemas::span::read::{self, Attributes, Spans, Stored};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Traces that are named in one query, so that it is not too long.
pub(super) const IDS_AT_ONCE: usize = 1_000;

/// Spans that are read at a time at least, however large they are.
const PAGE_MIN: usize = 100;

/// The source of spans that come in halves which are joined for everybody.
const IN_HALVES: &str = "milo";

/// The rows of some traces.
#[derive(Debug, Default)]
pub struct Found {
    rows: Vec<Spans>,
    order: Vec<TraceId>,
    /// The order of spans that were found one by one.
    places: HashMap<(TraceId, SpanId, i64), usize>,
    /// Why a part of the store is missing, where it is.
    pub partial: Option<String>,
    /// What is said of a trace that is too long to be given whole.
    pub cut: Option<String>,
    /// One of the few that may be large at a time.
    permit: Option<OwnedSemaphorePermit>,
}

/// More than a page of spans are in memory at most so often: 200,000 spans and their JSON take some 430 MiB.
const LARGE_AT_ONCE: usize = 2;

static LARGE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LARGE_AT_ONCE)));

/// How long a large result waits for its turn.
const TURN: Duration = Duration::from_secs(30);

/// Waits until few others are large.
async fn turn() -> Result<Option<OwnedSemaphorePermit>, Error> {
    match tokio::time::timeout(TURN, Arc::clone(&LARGE).acquire_owned()).await {
        Ok(permit) => Ok(permit.ok()),
        Err(_) => Err(Error::new(ErrorKind::Timeout, "other long traces are being read: ask again later")),
    }
}

impl Traces {
    /// Reads traces. Those that are not there are left out.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn load(&self, ids: &[TraceId]) -> Result<Found, Error> {
        let mut found = Found { order: ids.to_vec(), ..Found::default() };
        for ids in ids.chunks(IDS_AT_ONCE) {
            self.read(&sql::of_traces(ids), &mut found).await?;
        }
        Ok(found)
    }

    /// Spans of a condition in SQL, the newest first, up to a number, as traces of what was found of each.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn spans(&self, condition: &str, limit: usize, offset: usize) -> Result<Found, Error> {
        self.spans_by(condition, "start_unix_nanos desc", limit, offset).await
    }

    /// Likewise in another order.
    pub(super) async fn spans_by(
        &self,
        condition: &str,
        order: &str,
        limit: usize,
        offset: usize,
    ) -> Result<Found, Error> {
        // First which, from few columns; then what, of those alone: sorting whole rows costs more than reading them.
        let page = format!("order by {order}, trace_id, span_id limit {limit} offset {offset}");
        let keys = format!(
            "select trace_id, span_id, start_unix_nanos, duration_nanos, status from spans where {condition} {page}"
        );
        let keys = self.sql(keys).await?;
        let (mut places, mut starts) = (HashMap::new(), (u64::MAX, 0));
        let mut found = Found { partial: keys.partial.clone(), ..Found::default() };
        for batch in &keys.batches {
            let columns = Columns(batch);
            let (traces, spans) = (columns.texts("trace_id")?, columns.texts("span_id")?);
            for (row, start) in columns.numbers("start_unix_nanos")?.into_iter().enumerate() {
                let start = start.cast_unsigned();
                starts = (starts.0.min(start), starts.1.max(start));
                let (trace, span) = (TraceId::parse(text(&traces, row)), SpanId::parse(text(&spans, row)));
                let key = (trace.unwrap_or_default(), span.unwrap_or_default(), start.cast_signed());
                let place = places.len();
                places.entry(key).or_insert(place);
                if !found.order.contains(&key.0) {
                    found.order.push(key.0);
                }
            }
        }
        let mut keys: Vec<&(TraceId, SpanId, i64)> = places.keys().collect();
        keys.sort_unstable();
        for keys in keys.chunks(IDS_AT_ONCE / 2) {
            let spans: Vec<String> = keys.iter().map(|(_, span, _)| format!("'{span}'")).collect();
            let mut traces: Vec<TraceId> = keys.iter().map(|(trace, ..)| *trace).collect();
            traces.dedup();
            let (within, traces) = (sql::within(starts.0, starts.1), sql::of_traces(&traces));
            let query =
                format!("select * from spans where {within} and {traces} and span_id in ({})", spans.join(", "));
            for batch in &self.sql(query).await?.batches {
                found.rows.push(Spans::new(batch).map_err(|error| unreadable(&error))?);
            }
        }
        found.places = places;
        Ok(found)
    }

    /// All at once where they are few; otherwise piece by piece, each a stretch of starts with about a page of spans.
    async fn read(&self, condition: &str, found: &mut Found) -> Result<(), Error> {
        let few = format!("select * from spans where {condition} limit {}", SPANS_A_PAGE + 1);
        match self.sql(few).await {
            Ok(rows) if rows.rows() <= SPANS_A_PAGE => return found.add(rows),
            Err(error) if error.kind != ErrorKind::Limit => return Err(error),
            Ok(_) | Err(_) => (),
        }
        if found.permit.is_none() {
            found.permit = turn().await?;
        }
        let room = SPANS_MAX.saturating_sub(found.len());
        let query =
            format!("select start_unix_nanos from spans where {condition} order by 1 limit {}", room.saturating_add(1));
        let mut starts = Vec::new();
        for batch in &self.sql(query).await?.batches {
            starts.extend(Columns(batch).numbers("start_unix_nanos")?);
        }
        if starts.len() > room {
            found.cut = Some(format!("trace has more than {SPANS_MAX} spans, showing first {SPANS_MAX} spans only"));
            starts.truncate(room);
        }
        let mut left = pieces(&starts, SPANS_A_PAGE);
        while let Some((first, last, count)) = left.pop() {
            let query =
                format!("select * from spans where {condition} and start_unix_nanos between {first} and {last}");
            match self.sql(query).await {
                Err(error) if error.kind == ErrorKind::Limit && count > PAGE_MIN && first < last => {
                    let of_piece: Vec<i64> =
                        starts.iter().copied().filter(|start| (first..=last).contains(start)).collect();
                    left.extend(pieces(&of_piece, count / 4));
                }
                rows => found.add(rows?)?,
            }
        }
        Ok(())
    }
}

/// Stretches of sorted starts with about so many spans each, the last first; spans that start together stay together.
fn pieces(starts: &[i64], spans_max: usize) -> Vec<(i64, i64, usize)> {
    let mut pieces: Vec<(i64, i64, usize)> = Vec::new();
    for start in starts {
        match pieces.last_mut() {
            Some((_, last, count)) if *count < spans_max.max(1) || last == start => {
                (*last, *count) = (*start, *count + 1);
            }
            _ => pieces.push((*start, *start, 1)),
        }
    }
    pieces.reverse();
    pieces
}

fn unreadable(error: &arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, format!("rows of spans: {error}"))
}

impl Found {
    fn add(&mut self, rows: Batches) -> Result<(), Error> {
        self.partial = self.partial.take().or(rows.partial);
        for batch in &rows.batches {
            self.rows.push(Spans::new(batch).map_err(|error| unreadable(&error))?);
        }
        Ok(())
    }

    /// How many spans.
    pub fn len(&self) -> usize {
        self.rows.iter().map(Spans::len).sum()
    }

    /// Those of the traces that were asked for that are not there.
    pub fn missing(&self) -> Vec<TraceId> {
        let spans = self.rows.iter().flat_map(Spans::iter);
        let there: std::collections::HashSet<TraceId> =
            spans.filter_map(|span| TraceId::parse(span.trace_id())).collect();
        self.order.iter().filter(|id| !there.contains(id)).copied().collect()
    }

    /// True where nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The spans as they are stored, in the order in which they were found.
    pub fn plain(&self) -> Vec<Span> {
        let mut shared = SharedParts::default();
        let mut spans: Vec<Span> = self.rows.iter().flat_map(Spans::iter).map(|span| shared.span(span)).collect();
        if !self.places.is_empty() {
            let place =
                |span: &Span| self.places.get(&(span.trace_id, span.span_id, span.start.cast_signed())).copied();
            spans.retain(|span| place(span).is_some());
            spans.sort_by_key(place);
        }
        spans
    }

    /// The traces, in the order in which they were asked for; halves of spans are joined.
    pub fn traces(&self) -> Vec<Trace> {
        let mut shared = SharedParts::default();
        let spans = self.rows.iter().flat_map(Spans::iter).map(|span| shared.span(span)).collect();
        let mut traces: HashMap<TraceId, Trace> =
            Trace::assemble(spans).into_iter().map(|trace| (trace.id, trace)).collect();
        let mut ordered: Vec<Trace> = self.order.iter().filter_map(|id| traces.remove(id)).collect();
        ordered.iter_mut().for_each(|trace| trace.spans.sort_by_key(|span| (span.start, span.span_id)));
        for trace in &mut ordered {
            if trace.spans.iter().any(|span| span.source == IN_HALVES) {
                halves::join(trace, |span| span.source == IN_HALVES);
            }
        }
        ordered
    }

    /// The traces as OTLP: exactly as they were sent where nothing is adjusted.
    pub fn otlp(&self, adjustments: Adjustments) -> TracesData {
        let has_halves = self.rows.iter().flat_map(Spans::iter).any(|span| span.source() == IN_HALVES);
        if adjustments == Adjustments::NONE && !has_halves {
            return metlog_schemas::span::otlp::traces(self.rows.iter().flat_map(Spans::iter));
        }
        let mut traces = self.traces();
        traces.iter_mut().for_each(|trace| adjustments.apply(trace));
        otlp::write(traces.iter().flat_map(|trace| &trace.spans))
    }
}

impl Found {
    /// Likewise in pieces of at most so many spans, each of one trace.
    pub fn otlp_in_pieces(&self, adjustments: Adjustments, spans_max: usize) -> Vec<TracesData> {
        if adjustments == Adjustments::NONE {
            let mut by_trace: HashMap<TraceId, Vec<read::Span<'_>>> = HashMap::new();
            for span in self.rows.iter().flat_map(Spans::iter) {
                by_trace.entry(TraceId::parse(span.trace_id()).unwrap_or_default()).or_default().push(span);
            }
            let ordered = self.order.iter().filter_map(|id| by_trace.remove(id));
            let pieces = ordered.flat_map(|spans| spans.chunks(spans_max).map(<[_]>::to_vec).collect::<Vec<_>>());
            return pieces.map(metlog_schemas::span::otlp::traces).collect();
        }
        let mut pieces = Vec::new();
        for mut trace in self.traces() {
            adjustments.apply(&mut trace);
            pieces.extend(trace.spans.chunks(spans_max).map(otlp::write));
        }
        pieces
    }
}

/// Resources and scopes of a result, each of them once.
#[derive(Default)]
struct SharedParts {
    resources: Vec<Arc<Resource>>,
    scopes: Vec<Arc<Scope>>,
}

/// How many of the last resources or scopes are looked through.
const RECENT_MAX: usize = 16;

fn shared<T: PartialEq>(known: &mut Vec<Arc<T>>, new: T) -> Arc<T> {
    if let Some(place) = known.iter().position(|one| **one == new) {
        return Arc::clone(&known[place]);
    }
    if known.len() >= RECENT_MAX {
        known.remove(0);
    }
    let new = Arc::new(new);
    known.push(Arc::clone(&new));
    new
}

impl SharedParts {
    fn span(&mut self, of: read::Span<'_>) -> Span {
        let resource = Resource {
            attributes: attributes(of.resource_attributes()),
            dropped_attributes: of.resource_dropped_attributes(),
            schema_url: of.resource_schema_url().to_owned(),
        };
        let scope = Scope {
            name: of.scope_name().to_owned(),
            version: of.scope_version().to_owned(),
            attributes: attributes(of.scope_attributes()),
            dropped_attributes: of.scope_dropped_attributes(),
            schema_url: of.scope_schema_url().to_owned(),
        };
        Span {
            trace_id: TraceId::parse(of.trace_id()).unwrap_or_default(),
            span_id: SpanId::parse(of.span_id()).unwrap_or_default(),
            parent_id: SpanId::parse(of.parent_span_id()).unwrap_or_default(),
            trace_state: of.trace_state().to_owned(),
            flags: of.flags(),
            service: of.service().to_owned(),
            name: of.name().to_owned(),
            kind: of.kind(),
            start: of.start_unix_nanos(),
            end: of.end_unix_nanos(),
            status: of.status(),
            status_message: of.status_message().to_owned(),
            attributes: attributes(of.attributes()),
            dropped_attributes: of.dropped_attributes(),
            events: of.events().map(event).collect(),
            dropped_events: of.dropped_events(),
            links: of.links().map(link).collect(),
            dropped_links: of.dropped_links(),
            resource: shared(&mut self.resources, resource),
            scope: shared(&mut self.scopes, scope),
            source: of.source().to_owned(),
            extras: of.extras().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            warnings: of.extra("warning").map(str::to_owned).into_iter().collect(),
        }
    }
}

fn event(of: read::Event<'_>) -> Event {
    Event {
        time: of.unix_nanos,
        name: of.name.to_owned(),
        attributes: attributes(of.attributes),
        dropped_attributes: of.dropped_attributes,
    }
}

fn link(of: read::Link<'_>) -> Link {
    Link {
        trace_id: TraceId::parse(of.trace_id).unwrap_or_default(),
        span_id: SpanId::parse(of.span_id).unwrap_or_default(),
        trace_state: of.trace_state.to_owned(),
        flags: of.flags,
        attributes: attributes(of.attributes),
        dropped_attributes: of.dropped_attributes,
    }
}

fn attributes(of: Attributes<'_>) -> Vec<Attribute> {
    of.map(|attribute| Attribute { key: attribute.key.to_owned(), value: value(attribute.value) }).collect()
}

fn value(stored: Stored<'_>) -> Value {
    match stored {
        Stored::Str(text) => Value::Text(text.to_owned()),
        Stored::Int(number) => Value::Int(number),
        Stored::Double(number) => Value::Double(number),
        Stored::Bool(value) => Value::Bool(value),
        Stored::Bytes(bytes) => Value::Bytes(bytes),
        Stored::Nested(bytes) => {
            let value: Option<AnyValue> = prost::Message::decode(bytes).ok();
            otlp::read_value(value.as_ref())
        }
        Stored::Empty | Stored::Missing => Value::Empty,
    }
}
