//! What can be said of a trace without reading it whole.
use super::{Columns, Traces, sql, text};
use crate::Error;
use crate::trace::TraceId;
use std::collections::HashMap;

/// How many spans of a trace a service has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceCount {
    /// Its name.
    pub name: String,
    /// Its spans.
    pub spans: u64,
    /// Those of them that are errors.
    pub errors: u64,
}

/// A trace in a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The trace.
    pub id: TraceId,
    /// Service of its root; nothing where there is no root.
    pub root_service: String,
    /// Operation of its root.
    pub root_name: String,
    /// When its first span began, in nanoseconds since 1970.
    pub start: u64,
    /// When its last span ended.
    pub end: u64,
    /// Its spans.
    pub spans: u64,
    /// Those of them that are errors.
    pub errors: u64,
    /// Spans whose parent is not there, where that was asked for.
    pub orphans: u64,
    /// Its services, those with most spans first.
    pub services: Vec<ServiceCount>,
}

impl Summary {
    /// Nanoseconds from its first start to its last end.
    pub fn duration(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

impl Traces {
    /// Summaries of traces, in their order; those that are not there are left out.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn summaries(&self, ids: &[TraceId], with_orphans: bool) -> Result<Vec<Summary>, Error> {
        let mut summaries: HashMap<TraceId, (Summary, i64)> = HashMap::new();
        for ids in ids.chunks(super::load::IDS_AT_ONCE) {
            self.summarize(ids, &mut summaries).await?;
            if with_orphans {
                self.count_orphans(ids, &mut summaries).await?;
            }
        }
        let mut found = Vec::with_capacity(summaries.len());
        for id in ids {
            if let Some((mut summary, _)) = summaries.remove(id) {
                summary.services.sort_by(|a, b| b.spans.cmp(&a.spans).then_with(|| a.name.cmp(&b.name)));
                found.push(summary);
            }
        }
        Ok(found)
    }

    async fn summarize(&self, ids: &[TraceId], to: &mut HashMap<TraceId, (Summary, i64)>) -> Result<(), Error> {
        let query = format!(
            "select trace_id, service, count(*) as spans, sum(case when status = 'error' then 1 else 0 end) as errors, \
               min(start_unix_nanos) as first, max(start_unix_nanos + greatest(coalesce(duration_nanos, 0), 0)) as last, \
               min(case when parent_span_id = '' then start_unix_nanos end) as root_start, \
               arg_min(name, case when parent_span_id = '' then start_unix_nanos end) as root_name \
             from spans where {} group by trace_id, service",
            sql::of_traces(ids)
        );
        for batch in &self.sql(query).await?.batches {
            let columns = Columns(batch);
            let (ids, services, names) =
                (columns.texts("trace_id")?, columns.texts("service")?, columns.texts("root_name")?);
            let [spans, errors, first, last] =
                ["spans", "errors", "first", "last"].map(|name| columns.numbers(name).unwrap_or_default());
            let root_starts = columns.numbers("root_start")?;
            for row in 0..batch.num_rows() {
                let Some(id) = TraceId::parse(text(&ids, row)) else { continue };
                let (start, end) = (first[row].cast_unsigned(), last[row].cast_unsigned());
                let (spans, errors) = (spans[row].unsigned_abs(), errors[row].unsigned_abs());
                let new = || (Summary { id, start, end, ..Summary::default() }, i64::MAX);
                let (summary, root_start) = to.entry(id).or_insert_with(new);
                summary.start = summary.start.min(start);
                summary.end = summary.end.max(end);
                summary.spans += spans;
                summary.errors += errors;
                let service = text(&services, row).to_owned();
                if !text(&names, row).is_empty() && root_starts[row] < *root_start {
                    *root_start = root_starts[row];
                    summary.root_name = text(&names, row).to_owned();
                    summary.root_service.clone_from(&service);
                }
                summary.services.push(ServiceCount { name: service, spans, errors });
            }
        }
        Ok(())
    }

    async fn count_orphans(&self, ids: &[TraceId], to: &mut HashMap<TraceId, (Summary, i64)>) -> Result<(), Error> {
        let of_traces = sql::of_traces(ids);
        let query = format!(
            "with s as (select trace_id, span_id, parent_span_id from spans where {of_traces}) \
             select c.trace_id, count(*) as orphans from s c where c.parent_span_id != '' and not exists \
               (select 1 from s p where p.trace_id = c.trace_id and p.span_id = c.parent_span_id) group by c.trace_id"
        );
        for batch in &self.sql(query).await?.batches {
            let (ids, orphans) = (Columns(batch).texts("trace_id")?, Columns(batch).numbers("orphans")?);
            for (row, orphans) in orphans.iter().enumerate() {
                let summary = TraceId::parse(text(&ids, row)).and_then(|id| to.get_mut(&id));
                if let Some((summary, _)) = summary {
                    summary.orphans = orphans.unsigned_abs();
                }
            }
        }
        Ok(())
    }
}
