//! The table `spans`: one row a span. Its rows are built in `span/rows.rs`.
use super::definition::list_of;
use super::{Column, Definition, Lay, Owner, map_type, timestamp_type};
use arrow::datatypes::DataType::{self, Binary, Float64, Int32, Int64, Utf8};
use arrow::datatypes::{Field, Fields};

pub use crate::span::SpanRows as Rows;

/// A map of attributes, and behind it what brings their types back.
const MAP: &[Lay] = &[Lay::Word, Lay::Word];
const WORD: &[Lay] = &[Lay::Word];
const NUMBER: &[Lay] = &[Lay::Number];

/// See [`super::Table::definition`].
pub(super) fn definition() -> Definition {
    let columns = [promised(), exact()].concat();
    Definition::new("One row per span.", &["service", "name", "timestamp"], columns)
        .with_time("timestamp")
        .owned_by(Owner::Column("service"))
}

/// `list<binary>`: values that their text does not bring back.
pub(crate) fn nested_type() -> DataType {
    list_of(Binary)
}

/// What an event holds.
pub(crate) fn event_fields() -> Fields {
    Fields::from(vec![
        Field::new("time_unix_nanos", Int64, false),
        Field::new("name", Utf8, false),
        Field::new("attributes", map_type(), false),
        Field::new("attribute_types", Utf8, false),
        Field::new("attribute_nested", nested_type(), false),
        Field::new("dropped_attributes", Int64, false),
    ])
}

/// What a link holds.
pub(crate) fn link_fields() -> Fields {
    Fields::from(vec![
        Field::new("trace_id", Utf8, false),
        Field::new("span_id", Utf8, false),
        Field::new("trace_state", Utf8, false),
        Field::new("flags", Int64, false),
        Field::new("attributes", map_type(), false),
        Field::new("attribute_types", Utf8, false),
        Field::new("attribute_nested", nested_type(), false),
        Field::new("dropped_attributes", Int64, false),
    ])
}

const EVENT_LAYS: &[Lay] = &[Lay::Time, Lay::Word, Lay::Word, Lay::Word, Lay::Word, Lay::Text, Lay::Number];
const LINK_LAYS: &[Lay] = &[
    Lay::Word,
    Lay::Word,
    Lay::Word,
    Lay::Number,
    Lay::Word,
    Lay::Word,
    Lay::Word,
    Lay::Text,
    Lay::Number,
];

/// The columns that whoever asks about spans goes by.
fn promised() -> Vec<Column> {
    let (label, text) = (&[Lay::Label], &[Lay::Text]);
    let list = |fields| list_of(DataType::Struct(fields));
    vec![
        Column::new("timestamp", timestamp_type(), &[Lay::Time], "when it started, by the sender's clock"),
        Column::new("received_at", timestamp_type(), &[Lay::Time], "when the listener received it"),
        Column::new("trace_id", Utf8, &[Lay::Key], "its trace: 32 lower-case hexadecimal digits"),
        Column::new("span_id", Utf8, text, "its identity within the trace: 16 lower-case hexadecimal digits"),
        Column::new("parent_span_id", Utf8, WORD, "the span that caused it, 16 digits; empty for a root"),
        Column::new("service", Utf8, label, "the resource's `service.name`; empty if it has none"),
        Column::new("name", Utf8, label, "the operation"),
        Column::new("kind", Utf8, label, "`internal`, `server`, `client`, `producer`, `consumer`, or empty"),
        Column::new("status", Utf8, label, "`ok`, `error`, or empty if it is not set"),
        Column::new("status_message", Utf8, WORD, "why it is an error; may be empty"),
        Column::new("start_unix_nanos", Int64, &[Lay::Time], "start, ns since 1970 UTC"),
        Column::new(
            "duration_nanos",
            Int64,
            NUMBER,
            "end minus start, ns; negative if it ended before it started. Null if the sender gave no end",
        )
        .or_null(),
        Column::new("attributes", map_type(), MAP, "attributes, each value as text: `attributes['http.route']`"),
        Column::new("resource_attributes", map_type(), MAP, "attributes of what sent it: host, process, version"),
        Column::new("scope_attributes", map_type(), MAP, "attributes of the library that made it"),
        Column::new(
            "events",
            list(event_fields()),
            EVENT_LAYS,
            "what happened during it, in the sender's order; `time_unix_nanos` is ns since 1970 UTC",
        ),
        Column::new("links", list(link_fields()), LINK_LAYS, "other spans that it is related to"),
        Column::new("scope_name", Utf8, label, "the library that made it; may be empty"),
        Column::new("scope_version", Utf8, WORD, "version of that library; may be empty"),
        Column::new("source", Utf8, WORD, "the format it came in: `metlog`, `otlp`, `jaeger`, `zipkin`, `milo`"),
    ]
}

/// The columns that bring the rest back exactly.
fn exact() -> Vec<Column> {
    let types = "types of `attributes`, a letter each in their order; empty if all are strings";
    let nested = "values of `attributes` that their text does not bring back, as OTLP's `AnyValue`";
    vec![
        Column::new("trace_state", Utf8, WORD, "W3C `tracestate`; may be empty"),
        Column::new("flags", Int64, NUMBER, "W3C trace flags; bits 8 and 9 as in OTLP: whether the parent is remote"),
        Column::new("attribute_types", Utf8, WORD, types),
        Column::new("attribute_nested", nested_type(), &[Lay::Text], nested),
        Column::new("resource_types", Utf8, WORD, "as `attribute_types`, of `resource_attributes`"),
        Column::new("resource_nested", nested_type(), WORD, "as `attribute_nested`, of `resource_attributes`"),
        Column::new("scope_types", Utf8, WORD, "as `attribute_types`, of `scope_attributes`"),
        Column::new("scope_nested", nested_type(), WORD, "as `attribute_nested`, of `scope_attributes`"),
        Column::new("dropped_attributes", Int64, NUMBER, "attributes that the sender left out"),
        Column::new("dropped_events", Int64, NUMBER, "events that the sender left out"),
        Column::new("dropped_links", Int64, NUMBER, "links that the sender left out"),
        Column::new("resource_dropped_attributes", Int64, NUMBER, "attributes left out of the resource"),
        Column::new("scope_dropped_attributes", Int64, NUMBER, "attributes left out of the scope"),
        Column::new("resource_schema_url", Utf8, WORD, "schema of the resource; may be empty"),
        Column::new("scope_schema_url", Utf8, WORD, "schema of the spans of this scope; may be empty"),
        Column::new(
            "sampling_probability",
            Float64,
            NUMBER,
            "the probability with which its trace was sampled, so that `sum(1 / sampling_probability)` counts what there \
             was. Null if the span does not tell",
        )
        .or_null(),
        Column::new(
            "extras",
            map_type(),
            MAP,
            "what a format has besides, under keys of its own: `zipkin.shared`, `jaeger.flags`, `warning`",
        ),
        Column::new(
            "presence",
            Int32,
            NUMBER,
            "parts that OTLP gave though they were empty, or left out: 1 status given, 2 no resource, 4 no scope, \
             8 the parent given as zeros",
        ),
    ]
}
