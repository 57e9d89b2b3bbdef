//! A trace in outline: of every span only what a waterfall draws, so that a trace of a hundred thousand spans is laid out at
//! once, and what is looked at is read whole.
use super::{Columns, Traces, sql, text};
use crate::Error;
use crate::trace::{Attribute, Kind, Resource, Span, SpanId, Status, Trace, TraceId};
use std::sync::Arc;

/// Most spans of an outline.
pub const OUTLINE_MAX: usize = 300_000;

/// What tells a host from others.
const HOSTS: [&str; 3] = ["host.id", "host.ip", "host.name"];

/// A trace in outline.
#[derive(Debug, Default)]
pub struct Outline {
    /// Its spans without their attributes, events and links, by their start.
    pub trace: Trace,
    /// Their ids as they were sent, whatever adjustments make of them.
    pub ids: Vec<SpanId>,
    /// How many spans there are.
    pub total: u64,
    /// Why a part of the store is missing, where it is.
    pub partial: Option<String>,
}

impl Traces {
    /// The outline of a trace; nothing where there is no such trace.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn outline(&self, id: TraceId) -> Result<Option<Outline>, Error> {
        let of = sql::of_traces(&[id]);
        let hosts = HOSTS.map(|key| format!("resource_attributes['{key}'] as \"{key}\"")).join(", ");
        let query = format!(
            "select span_id, parent_span_id, service, name, kind, status, start_unix_nanos, source, \
               coalesce(duration_nanos, 0) as duration_nanos, {hosts} \
             from spans where {of} order by start_unix_nanos, span_id limit {OUTLINE_MAX}"
        );
        let rows = self.sql(query).await?;
        let mut outline = Outline { partial: rows.partial.clone(), ..Outline::default() };
        outline.trace.id = id;
        let mut resources: Vec<Arc<Resource>> = Vec::new();
        for batch in &rows.batches {
            outline.add(&Columns(batch), batch.num_rows(), &mut resources)?;
        }
        outline.total = outline.trace.spans.len() as u64;
        if outline.trace.spans.len() >= OUTLINE_MAX {
            for batch in &self.sql(format!("select count(*) as total from spans where {of}")).await?.batches {
                outline.total = Columns(batch).numbers("total")?.first().map_or(0, |total| total.unsigned_abs());
            }
        }
        Ok((!outline.trace.spans.is_empty()).then_some(outline))
    }
}

impl Outline {
    fn add(&mut self, columns: &Columns<'_>, rows: usize, resources: &mut Vec<Arc<Resource>>) -> Result<(), Error> {
        let [ids, parents, services, names] =
            ["span_id", "parent_span_id", "service", "name"].map(|name| columns.texts(name));
        let (ids, parents, services, names) = (ids?, parents?, services?, names?);
        let (kinds, statuses, sources) = (columns.texts("kind")?, columns.texts("status")?, columns.texts("source")?);
        let (starts, durations) = (columns.numbers("start_unix_nanos")?, columns.numbers("duration_nanos")?);
        let [host_ids, ips, host_names] = HOSTS.map(|key| columns.texts(key));
        let hosts = [host_ids?, ips?, host_names?];
        for row in 0..rows {
            let attributes = HOSTS.iter().zip(&hosts).filter(|(_, column)| !text(column, row).is_empty());
            let attributes = attributes.map(|(key, column)| Attribute::text(*key, text(column, row)));
            let resource = Resource { attributes: attributes.collect(), ..Resource::default() };
            let known = resources.iter().find(|known| ***known == resource).cloned();
            let resource = known.unwrap_or_else(|| {
                let new = Arc::new(resource);
                resources.push(Arc::clone(&new));
                new
            });
            let span_id = SpanId::parse(text(&ids, row)).unwrap_or_default();
            let start = starts[row].cast_unsigned();
            self.ids.push(span_id);
            self.trace.spans.push(Span {
                trace_id: self.trace.id,
                span_id,
                parent_id: SpanId::parse(text(&parents, row)).unwrap_or_default(),
                service: text(&services, row).to_owned(),
                name: text(&names, row).to_owned(),
                kind: Kind::of_word(text(&kinds, row)).unwrap_or_default(),
                status: Status::of_word(text(&statuses, row)).unwrap_or_default(),
                start,
                end: start.saturating_add_signed(durations[row].max(0)),
                resource,
                source: text(&sources, row).to_owned(),
                ..Span::default()
            });
        }
        Ok(())
    }

    /// The spans of these ids whole.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn details(&self, traces: &Traces, ids: &[SpanId]) -> Result<Vec<Span>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        let of = sql::of_traces(&[self.trace.id]);
        let condition = format!("{of} and span_id in ({})", list.join(", "));
        let found = traces.spans(&condition, ids.len().saturating_mul(4), 0).await?;
        Ok(found.plain())
    }
}
