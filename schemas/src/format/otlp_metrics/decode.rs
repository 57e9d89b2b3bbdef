//! From the fields of a request to rows.
use super::super::decoded::{Grown, in_range};
use super::super::otlp::proto::{Cursor, Malformed, Value as Field, put_bytes};
use super::super::otlp::{self, each, value};
use super::super::{Decoded, Entry, InOrder};
use super::point::{Kind, Point};
use crate::span::Value;
use crate::table::metrics::{MetricRows, Row};
use serde_json::{Value as Json, json};

/// The reason of what is no valid protobuf inside, or no histogram.
const MALFORMED: &str = "otlp_malformed";
/// Most bytes that points of one request may have of their resources, which each has a copy of.
const SHARED_BYTES_MAX: usize = 64 << 20;
const NANOS_PER_MICRO: u64 = 1_000;

/// How the points of a metric relate to those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Temporality {
    Unsaid,
    Delta,
    Cumulative,
}

/// What the points of a metric have in common.
#[derive(Debug, Clone, Copy)]
struct Metric<'a> {
    name: &'a str,
    unit: &'a str,
    kind: Kind,
    temporality: Temporality,
    is_monotonic: bool,
}

/// Tags of a resource and a scope.
#[derive(Debug, Default, Clone)]
struct Shared {
    hostname: String,
    tags: Vec<(String, String)>,
    bytes: usize,
}

impl Shared {
    fn push(&mut self, key: &str, value: String) {
        self.bytes += key.len() + value.len();
        self.tags.push((key.to_owned(), value));
    }
}

/// Takes a point.
type TakePoint<'t> = dyn FnMut(&Metric<'_>, &Shared, &[u8]) -> Result<(), (&'static str, u64)> + 't;

/// Hands over each point with what it is of; what cannot be read is refused.
fn walk(
    request: &[u8],
    refuse: &mut dyn FnMut(&'static str, u64, &[u8]),
    point: &mut TakePoint<'_>,
) -> Result<(), Malformed> {
    each(request, 1, |resource_metrics| {
        let mut shared = Shared::default();
        let described = each(resource_metrics, 1, |resource| {
            each(resource, 1, |pair| {
                let (key, value) = value::attribute(pair)?;
                match value {
                    Value::Str(name) if key == "host.name" && shared.hostname.is_empty() => name.clone_into(&mut shared.hostname),
                    value => shared.push(key, text(value)?),
                }
                Ok(())
            })
        });
        if described.is_err() {
            refuse(MALFORMED, otlp::count_in(otlp::Signal::Metrics, resource_metrics)?, resource_metrics);
            return Ok(());
        }
        each(resource_metrics, 2, |scope_metrics| {
            let mut of_scope = shared.clone();
            let named = each(scope_metrics, 1, |scope| {
                each(scope, 1, |name| {
                    let name = std::str::from_utf8(name).map_err(|_| Malformed)?;
                    if !name.is_empty() {
                        of_scope.push("otel.scope.name", name.to_owned());
                    }
                    Ok(())
                })
            });
            each(scope_metrics, 2, |bytes| match named.and_then(|()| metric(bytes)) {
                Err(Malformed) => {
                    refuse(MALFORMED, otlp::points(bytes)?, bytes);
                    Ok(())
                }
                Ok(None) => Ok(()),
                Ok(Some((metric, data))) => each(data, 1, |bytes| {
                    if let Err((reason, count)) = point(&metric, &of_scope, bytes) {
                        refuse(reason, count, bytes);
                    }
                    Ok(())
                }),
            })
        })
    })
}

/// A metric and its data; `None` if it has none.
fn metric(bytes: &[u8]) -> Result<Option<(Metric<'_>, &[u8])>, Malformed> {
    let (mut name, mut unit, mut data) = ("", "", None);
    let mut cursor = Cursor::new(bytes);
    while let Some((number, field)) = cursor.next()? {
        let kind = match number {
            1 => {
                name = field.text()?;
                continue;
            }
            3 => {
                unit = field.text()?;
                continue;
            }
            5 => Kind::Gauge,
            7 => Kind::Sum,
            9 => Kind::Histogram,
            10 => Kind::Exponential,
            11 => Kind::Summary,
            _ => continue,
        };
        if data.replace((kind, field.bytes()?)).is_some() {
            return Err(Malformed);
        }
    }
    let Some((kind, data)) = data else { return Ok(None) };
    let mut metric = Metric { name, unit, kind, temporality: Temporality::Unsaid, is_monotonic: false };
    let mut cursor = Cursor::new(data);
    while let Some((number, field)) = cursor.next()? {
        match (number, field) {
            (2, Field::Varint(1)) => metric.temporality = Temporality::Delta,
            (2, Field::Varint(2)) => metric.temporality = Temporality::Cumulative,
            (3, Field::Varint(is)) => metric.is_monotonic = is != 0,
            _ => (),
        }
    }
    Ok(Some((metric, data)))
}

/// A value as text.
fn text(value: Value<'_>) -> Result<String, Malformed> {
    let mut bytes = Vec::new();
    value.write(&mut bytes).ok_or(Malformed)?;
    String::from_utf8(bytes).map_err(|_| Malformed)
}

/// Adds the points of a request.
pub(super) fn enter(request: &[u8], at: Entry, state: &mut impl InOrder, out: &mut Decoded) {
    let mut shared_bytes = 0;
    let mut refused: Vec<(&'static str, u64, Vec<u8>)> = Vec::new();
    let mut taken = 0;
    let rows = out.rows.of::<MetricRows>();
    let walked = walk(
        request,
        &mut |reason, count, bytes| refused.push((reason, count, bytes[..bytes.len().min(super::super::REJECT_BYTES_MAX)].to_vec())),
        &mut |metric, shared, bytes| {
            shared_bytes += shared.bytes;
            if shared_bytes > SHARED_BYTES_MAX {
                return Err(("resource_too_large", 1));
            }
            let point = Point::read(metric.kind, bytes).map_err(|Malformed| (MALFORMED, 1))?;
            let tags = tags(metric, shared, &point).map_err(|Malformed| (MALFORMED, 1))?;
            let mut grown = |series: &[u8], total| state.grown(series, total, at.received_at);
            row(metric, shared, &tags, point, at.received_at, &mut grown, rows).map_err(|reason| (reason, 1))?;
            taken += 1;
            Ok(())
        },
    );
    out.counts.received += taken;
    out.counts.facts += taken;
    for (reason, count, bytes) in refused {
        out.reject(at, reason, count, &bytes);
    }
    if walked.is_err() {
        out.reject(at, MALFORMED, 1, request);
    }
}

type Tags = Vec<(String, String)>;

/// The point's own tags first, so that they keep their names.
fn tags(metric: &Metric<'_>, shared: &Shared, point: &Point<'_>) -> Result<Tags, Malformed> {
    let mut tags = Tags::new();
    for pair in &point.attributes {
        let (key, value) = value::attribute(pair)?;
        tags.push((key.to_owned(), text(value)?));
    }
    tags.extend(shared.tags.iter().cloned());
    if !metric.unit.is_empty() {
        tags.push(("unit".to_owned(), metric.unit.to_owned()));
    }
    let mut seen = std::collections::HashSet::new();
    for (key, _) in &mut tags {
        let (mut free, mut number) = (key.clone(), 2);
        while !seen.insert(free.clone()) {
            free = format!("{key}#{number}");
            number += 1;
        }
        *key = free;
    }
    tags.sort();
    Ok(tags)
}

/// What grew in a series, by its identity.
type OfSeries<'s> = dyn FnMut(&[u8], super::super::decoded::Total) -> Result<Grown, &'static str> + 's;

fn row(
    metric: &Metric<'_>,
    shared: &Shared,
    tags: &Tags,
    mut point: Point<'_>,
    received_at: i64,
    grown: &mut OfSeries<'_>,
    rows: &mut MetricRows,
) -> Result<(), &'static str> {
    point.check(metric.kind).map_err(|Malformed| "otlp_bad_histogram")?;
    let is_gauge = metric.kind == Kind::Gauge;
    if !is_gauge && metric.kind != Kind::Summary && metric.temporality == Temporality::Unsaid {
        return Err("otlp_no_temporality");
    }
    let is_level = is_gauge || (metric.kind == Kind::Sum && metric.temporality == Temporality::Cumulative && !metric.is_monotonic);
    let is_total = metric.temporality == Temporality::Cumulative && !is_level;
    if is_total && point.has_value {
        let identity = identity(metric, shared, tags, &point);
        let grown = grown(&identity, point.total(metric.kind))?;
        take(&mut point, metric.kind, grown);
    }
    if point.time == 0 {
        point.time = received_at.cast_unsigned() * NANOS_PER_MICRO;
    }
    let time = (point.time / NANOS_PER_MICRO).cast_signed();
    let start = if point.start == 0 || point.start > point.time || is_level { time } else { (point.start / NANOS_PER_MICRO).cast_signed() };
    if !in_range(time) || !in_range(start) {
        return Err("timestamp_out_of_range");
    }
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
    let mut row = Row { time, start, name: metric.name, hostname: &shared.hostname, tags, ..Row::default() };
    match metric.kind {
        Kind::Gauge | Kind::Sum if is_level => (row.kind, row.value) = ("gauge", finite(point.value)),
        Kind::Gauge | Kind::Sum => (row.kind, row.count, row.sum) = ("counter", finite(point.value), finite(point.value)),
        Kind::Histogram | Kind::Exponential | Kind::Summary => {
            (row.kind, row.count, row.sum) = ("timer", Some(point.count as f64), finite(point.sum));
            (row.min, row.max, row.samples) = (finite(point.min), finite(point.max), Some(point.count.cast_signed()));
            row.sketch = point.sketch(metric.kind);
        }
    }
    if !point.has_value {
        row = Row { value: None, count: None, sum: None, samples: None, ..row };
    }
    rows.push_row(&row);
    Ok(())
}

/// Puts what a series grew by in the place of its total.
fn take(point: &mut Point<'_>, kind: Kind, grown: Grown) {
    let Grown { since, by, is_whole } = grown;
    point.start = since;
    match kind {
        Kind::Sum | Kind::Gauge => point.value = by.numbers.first().copied(),
        _ => {
            let number = |at: usize| by.numbers.get(at).copied().unwrap_or_default();
            (point.count, point.zeros) = (number(0) as u64, number(1) as u64);
            point.sum = point.sum.map(|_| number(2));
            (point.scale, point.buckets) = (by.scale, by.buckets);
            if !is_whole {
                // Those of the whole time since its start.
                (point.min, point.max) = (None, None);
            }
        }
    }
}

/// What makes a series one: bytes that are equal only if all of it is.
fn identity(metric: &Metric<'_>, shared: &Shared, tags: &Tags, point: &Point<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_bytes(1, metric.name.as_bytes(), &mut bytes);
    put_bytes(2, &[metric.kind as u8], &mut bytes);
    put_bytes(3, shared.hostname.as_bytes(), &mut bytes);
    for (key, value) in tags {
        put_bytes(4, key.as_bytes(), &mut bytes);
        put_bytes(5, value.as_bytes(), &mut bytes);
    }
    point.bounds.iter().for_each(|bound| put_bytes(6, &bound.to_le_bytes(), &mut bytes));
    bytes
}

/// Each point as JSON, as it was sent.
pub(super) fn describe(request: &[u8]) -> Result<Vec<Json>, String> {
    let mut values = Vec::new();
    let mut unread = Vec::new();
    let walked = walk(request, &mut |reason, _, bytes| unread.push(super::super::describe::refused(reason, bytes)), &mut |metric, shared, bytes| {
        let point = Point::read(metric.kind, bytes).map_err(|Malformed| (MALFORMED, 1))?;
        let tags: serde_json::Map<_, _> =
            tags(metric, shared, &point).map_err(|Malformed| (MALFORMED, 1))?.into_iter().map(|(key, value)| (key, value.into())).collect();
        values.push(json!({
            "name": metric.name, "kind": format!("{:?}", metric.kind).to_lowercase(), "temporality": format!("{:?}", metric.temporality).to_lowercase(),
            "is_monotonic": metric.is_monotonic, "start_unix_nanos": point.start, "time_unix_nanos": point.time, "value": point.value,
            "count": point.count, "sum": point.sum, "min": point.min, "max": point.max, "tags": tags, "hostname": shared.hostname,
        }));
        Ok(())
    });
    values.extend(unread);
    walked.map(|()| values).map_err(|Malformed| MALFORMED.to_owned())
}
