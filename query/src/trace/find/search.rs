//! Search: exact over the whole range, in an order over all that is found, in pages.
use super::{Columns, Found, Traces, sql, text};
use crate::Error;
use crate::filter::Filter;
use crate::trace::TraceId;

/// How far spans of a trace may lie before and behind the searched range and still count, where traces are compared by
/// their durations or sizes, in nanoseconds.
const MARGIN_NANOS: u64 = 24 * 3_600 * 1_000_000_000;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The trace with the latest span that was found.
    #[default]
    Newest,
    /// The one with the earliest.
    Oldest,
    /// The one that took longest.
    Longest,
    /// The one that was quickest.
    Shortest,
    /// The one with most spans.
    MostSpans,
    /// The one with most errors.
    MostErrors,
}

impl Order {
    /// All of them.
    pub const ALL: [Order; 6] =
        [Order::Newest, Order::Oldest, Order::Longest, Order::Shortest, Order::MostSpans, Order::MostErrors];

    /// As in an address.
    pub const fn name(self) -> &'static str {
        match self {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
            Order::Longest => "longest",
            Order::Shortest => "shortest",
            Order::MostSpans => "spans",
            Order::MostErrors => "errors",
        }
    }

    /// The order of a name; none of an unknown one.
    pub fn from_name(name: &str) -> Option<Order> {
        Order::ALL.into_iter().find(|order| order.name() == name)
    }

    const fn sql(self) -> &'static str {
        match self {
            Order::Newest => "latest desc",
            Order::Oldest => "earliest asc",
            Order::Longest => "duration desc",
            Order::Shortest => "duration asc",
            Order::MostSpans => "spans desc",
            Order::MostErrors => "errors desc",
        }
    }

    /// True where an order, or a filter, is about traces as a whole.
    const fn is_of_traces(self) -> bool {
        !matches!(self, Order::Newest | Order::Oldest)
    }
}

/// What is searched: spans of which one and the same has everything.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Its service; none of any.
    pub service: Option<String>,
    /// Its operation.
    pub operation: Option<String>,
    /// What it, its scope, resource, events or links are tagged with, compared as text.
    pub tags: Vec<(String, String)>,
    /// What else it must be.
    pub filter: Option<Filter>,
    /// Further conditions in SQL, which whoever asks has written: never what a user typed.
    pub more: Vec<String>,
    /// Its earliest start, in nanoseconds since 1970.
    pub from: u64,
    /// Its latest start, which is included.
    pub until: u64,
    /// Shortest duration of the span, in nanoseconds.
    pub duration_min: Option<u64>,
    /// Longest duration of the span.
    pub duration_max: Option<u64>,
    /// Shortest duration of its trace, in nanoseconds.
    pub trace_min: Option<u64>,
    /// Longest duration of its trace.
    pub trace_max: Option<u64>,
    /// What comes first.
    pub order: Order,
    /// How many traces.
    pub limit: usize,
    /// How many traces of the order are skipped.
    pub offset: usize,
}

impl Search {
    /// The condition on a span in SQL.
    pub fn condition(&self) -> String {
        let mut conditions = vec![sql::within(self.from, self.until)];
        conditions.extend(self.service.iter().map(|service| format!("service = {}", sql::literal(service))));
        conditions.extend(self.operation.iter().map(|name| format!("name = {}", sql::literal(name))));
        conditions.extend(self.duration_min.map(|nanos| format!("duration_nanos >= {nanos}")));
        conditions.extend(self.duration_max.map(|nanos| format!("duration_nanos <= {nanos}")));
        conditions.extend(self.tags.iter().map(|(key, value)| sql::tag(key, value)));
        conditions.extend(self.filter.iter().filter(|f| !f.is_all()).map(|filter| format!("({})", filter.to_sql())));
        conditions.extend(self.more.iter().cloned());
        sql::all(&conditions)
    }

    fn sql(&self) -> String {
        let condition = self.condition();
        let page = format!("limit {} offset {}", self.limit, self.offset);
        let order = self.order.sql();
        if !self.order.is_of_traces() && self.trace_min.is_none() && self.trace_max.is_none() {
            return format!(
                "select trace_id, max(start_unix_nanos) as latest, min(start_unix_nanos) as earliest from spans \
                 where {condition} group by trace_id order by {order}, trace_id {page}"
            );
        }
        let around = sql::within(self.from.saturating_sub(MARGIN_NANOS), self.until.saturating_add(MARGIN_NANOS));
        let least = self.trace_min.map(|nanos| format!("duration >= {nanos}"));
        let most = self.trace_max.map(|nanos| format!("duration <= {nanos}"));
        let wanted: Vec<String> = least.into_iter().chain(most).collect();
        format!(
            "select trace_id, latest, earliest from ( \
               select trace_id, max(start_unix_nanos) as latest, min(start_unix_nanos) as earliest, count(*) as spans, \
                 max(start_unix_nanos + coalesce(duration_nanos, 0)) - min(start_unix_nanos) as duration, \
                 sum(case when status = 'error' then 1 else 0 end) as errors \
               from spans where {around} and trace_id in (select trace_id from spans where {condition}) \
               group by trace_id) \
             where {} order by {order}, trace_id {page}",
            sql::all(&wanted)
        )
    }
}

impl Traces {
    /// The spans that are found, by the order of the search, in its page.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn found_spans(&self, search: &Search) -> Result<Found, Error> {
        let order = match search.order {
            Order::Oldest => "start_unix_nanos asc",
            Order::Longest => "duration_nanos desc nulls last",
            Order::Shortest => "duration_nanos asc",
            Order::MostErrors => "(status = 'error') desc, start_unix_nanos desc",
            Order::Newest | Order::MostSpans => "start_unix_nanos desc",
        };
        self.spans_by(&search.condition(), order, search.limit, search.offset).await
    }

    /// The traces that are found, first things first, and why they are not all, where they are not.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn search(&self, search: &Search) -> Result<(Vec<TraceId>, Option<String>), Error> {
        let found = self.sql(search.sql()).await?;
        let mut ids = Vec::with_capacity(found.rows());
        for batch in &found.batches {
            let texts = Columns(batch).texts("trace_id")?;
            ids.extend((0..batch.num_rows()).filter_map(|row| TraceId::parse(text(&texts, row))));
        }
        Ok((ids, found.partial))
    }
}
