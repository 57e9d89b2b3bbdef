//! Whole traces: rows of `spans` in pages, and spans of them.
use super::{SPANS_A_PAGE, SPANS_MAX, Traces, sql};
use crate::trace::adjust::Adjustments;
use crate::trace::{
    Attribute, Event, Kind, Link, Resource, Scope, Span, SpanId, Status, Trace, TraceId, Value, halves, otlp,
};
use crate::{Error, Kind as ErrorKind};
use metlog_schemas::span::proto::{AnyValue, TracesData};
use metlog_schemas::span::read::{self, Attributes, Spans, Stored};
use std::collections::HashMap;
use std::sync::Arc;

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
    /// Why a part of the store is missing, where it is.
    pub partial: Option<String>,
    /// What is said of a trace that is too long to be given whole.
    pub cut: Option<String>,
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
        let page = format!("order by {order}, trace_id, span_id limit {limit} offset {offset}");
        let rows = self.sql(format!("select * from spans where {condition} {page}")).await?;
        let mut found = Found { partial: rows.partial.clone(), ..Found::default() };
        for batch in &rows.batches {
            found.rows.push(Spans::new(batch).map_err(|error| unreadable(&error))?);
        }
        let mut seen = std::collections::HashSet::new();
        for id in found.rows.iter().flat_map(Spans::iter).filter_map(|span| TraceId::parse(span.trace_id())) {
            if seen.insert(id) {
                found.order.push(id);
            }
        }
        Ok(found)
    }

    /// Page after page, each from where the last one ended, by start and ids.
    async fn read(&self, condition: &str, found: &mut Found) -> Result<(), Error> {
        let mut page = SPANS_A_PAGE;
        let mut behind = String::new();
        // Rows of the last place, which are skipped when it goes on from there: the same span may be there twice.
        let mut skipped = 0;
        loop {
            let query = format!(
                "select * from spans where {condition}{behind} order by start_unix_nanos, trace_id, span_id \
                 limit {page} offset {skipped}"
            );
            let rows = match self.sql(query).await {
                Err(error) if error.kind == ErrorKind::Limit && page > PAGE_MIN => {
                    page = (page / 4).max(PAGE_MIN);
                    continue;
                }
                rows => rows?,
            };
            let count = rows.rows();
            found.partial = found.partial.take().or(rows.partial);
            for batch in &rows.batches {
                found.rows.push(Spans::new(batch).map_err(|error| unreadable(&error))?);
            }
            if count < page {
                return Ok(());
            }
            if found.len() >= SPANS_MAX {
                found.cut =
                    Some(format!("trace has more than {SPANS_MAX} spans, showing first {SPANS_MAX} spans only"));
                return Ok(());
            }
            let Some((last, count)) = found.last_place() else { return Ok(()) };
            skipped = count;
            let Place { start, trace, span } = last;
            behind = format!(
                " and (start_unix_nanos > {start} or (start_unix_nanos = {start} and (trace_id > '{trace}' \
                 or (trace_id = '{trace}' and span_id >= '{span}'))))"
            );
        }
    }
}

fn unreadable(error: &arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, format!("rows of spans: {error}"))
}

/// Where a row is in the order of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: i64,
    trace: TraceId,
    span: SpanId,
}

impl Place {
    fn of(span: read::Span<'_>) -> Place {
        Place {
            start: span.start_unix_nanos().cast_signed(),
            trace: TraceId::parse(span.trace_id()).unwrap_or_default(),
            span: SpanId::parse(span.span_id()).unwrap_or_default(),
        }
    }
}

impl Found {
    /// The place of the last row, and how many rows have it.
    fn last_place(&self) -> Option<(Place, usize)> {
        let rows = || self.rows.iter().rev().flat_map(|rows| (0..rows.len()).rev().map(|row| rows.get(row)));
        let last = Place::of(rows().next()?);
        Some((last, rows().take_while(|row| Place::of(*row) == last).count()))
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

    /// The spans as they are stored, in the order of the rows.
    pub fn plain(&self) -> Vec<Span> {
        let mut shared = SharedParts::default();
        self.rows.iter().flat_map(Spans::iter).map(|span| shared.span(span)).collect()
    }

    /// The traces, in the order in which they were asked for; halves of spans are joined.
    pub fn traces(&self) -> Vec<Trace> {
        let mut shared = SharedParts::default();
        let spans = self.rows.iter().flat_map(Spans::iter).map(|span| shared.span(span)).collect();
        let mut traces: HashMap<TraceId, Trace> =
            Trace::assemble(spans).into_iter().map(|trace| (trace.id, trace)).collect();
        let mut ordered: Vec<Trace> = self.order.iter().filter_map(|id| traces.remove(id)).collect();
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
            kind: Kind::from_name(of.kind().word()).unwrap_or_default(),
            start: of.start_unix_nanos(),
            end: of.end_unix_nanos(),
            status: Status::from_name(of.status().word()).unwrap_or_default(),
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
