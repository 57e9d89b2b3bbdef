//! Rows of `spans` as spans again, borrowed from their batch.
use super::attributes::letter;
use super::{Kind, Status, text};
use crate::table::Table;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use std::borrow::Cow;
use std::ops::Range;

/// A value as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored<'b> {
    /// Text.
    Str(&'b str),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list, a map or anything else, as the protobuf of OTLP's `AnyValue`.
    Nested(&'b [u8]),
    /// An `AnyValue` with nothing in it.
    Empty,
    /// No value at all.
    Missing,
}

/// An attribute as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute<'b> {
    /// Its key as it was sent.
    pub key: &'b str,
    /// Its value as text.
    pub text: &'b str,
    /// Its value as it was sent.
    pub value: Stored<'b>,
}

/// Sets of attributes: one for each row.
#[derive(Debug)]
struct Sets {
    map: MapArray,
    types: StringArray,
    nested: ListArray,
}

impl Sets {
    fn get(&self, at: usize) -> Attributes<'_> {
        let offsets = self.map.value_offsets();
        let nested = self.nested.value_offsets();
        Attributes {
            keys: self.map.keys().as_string(),
            values: self.map.values().as_string(),
            at: offsets[at] as usize..offsets[at + 1] as usize,
            types: self.types.value(at).as_bytes(),
            nested: self.nested.values().as_binary(),
            nested_at: nested[at] as usize..nested[at + 1] as usize,
        }
    }
}

/// The attributes of something, in their order.
#[derive(Debug, Clone)]
pub struct Attributes<'b> {
    keys: &'b StringArray,
    values: &'b StringArray,
    at: Range<usize>,
    types: &'b [u8],
    nested: &'b BinaryArray,
    nested_at: Range<usize>,
}

impl<'b> Attributes<'b> {
    /// The text of an attribute, by its key in the map.
    pub fn text(&self, key: &str) -> Option<&'b str> {
        self.at.clone().find(|at| self.keys.value(*at) == key).map(|at| self.values.value(at))
    }
}

impl<'b> Iterator for Attributes<'b> {
    type Item = Attribute<'b>;

    fn next(&mut self) -> Option<Attribute<'b>> {
        let at = self.at.next()?;
        let (key, text) = (self.keys.value(at), self.values.value(at));
        let letter = self.types.split_off_first().copied().unwrap_or(letter::STR);
        let key = match letter.is_ascii_uppercase() {
            true => key.rsplit_once('#').map_or(key, |(key, _)| key),
            false => key,
        };
        // What somebody else wrote into a file may not be what its type says: then it is its text.
        let value = match letter.to_ascii_lowercase() {
            letter::INT => text.parse().ok().map(Stored::Int),
            letter::DOUBLE => text::double(text).map(Stored::Double),
            letter::BOOL => Some(Stored::Bool(text == "true")),
            letter::BYTES => text::unbase64(text).map(Stored::Bytes),
            letter::NESTED => self.nested_at.next().map(|at| Stored::Nested(self.nested.value(at))),
            letter::EMPTY => Some(Stored::Empty),
            letter::MISSING => Some(Stored::Missing),
            _ => None,
        };
        Some(Attribute { key, text, value: value.unwrap_or(Stored::Str(text)) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.at.size_hint()
    }
}

/// Columns by name, of the types that the table has.
struct Columns<'b>(Cow<'b, [(String, ArrayRef)]>);

impl Columns<'_> {
    fn of(batch: &RecordBatch) -> Result<Columns<'static>, ArrowError> {
        let mut columns = Vec::new();
        for field in Table::Spans.schema().fields() {
            let column = batch.column_by_name(field.name());
            let missing = || ArrowError::SchemaError(format!("column {} is required", field.name()));
            let column = arrow::compute::cast(column.ok_or_else(missing)?, field.data_type())?;
            columns.push((field.name().clone(), column));
        }
        Ok(Columns(columns.into()))
    }

    fn parts(of: &StructArray) -> Columns<'static> {
        Columns(of.column_names().into_iter().map(str::to_owned).zip(of.columns().iter().cloned()).collect())
    }

    fn get<A: Array + Clone + 'static>(&self, name: &str) -> Result<A, ArrowError> {
        let column = self.0.iter().find(|(known, _)| known == name);
        let array = column.and_then(|(_, array)| array.as_any().downcast_ref::<A>());
        array.cloned().ok_or_else(|| ArrowError::SchemaError(format!("column {name} has another type")))
    }

    fn sets(&self, map: &str, types: &str, nested: &str) -> Result<Sets, ArrowError> {
        Ok(Sets { map: self.get(map)?, types: self.get(types)?, nested: self.get(nested)? })
    }
}

/// The events, or links, of a batch.
#[derive(Debug)]
struct Parts {
    list: ListArray,
    texts: Vec<StringArray>,
    numbers: Int64Array,
    dropped: Int64Array,
    sets: Sets,
}

impl Parts {
    fn of(list: ListArray, texts: &[&str], numbers: &str) -> Result<Parts, ArrowError> {
        let parts = Columns::parts(list.values().as_struct());
        Ok(Parts {
            texts: texts.iter().map(|name| parts.get(name)).collect::<Result<_, _>>()?,
            numbers: parts.get(numbers)?,
            dropped: parts.get("dropped_attributes")?,
            sets: parts.sets("attributes", "attribute_types", "attribute_nested")?,
            list,
        })
    }

    fn range(&self, row: usize) -> Range<usize> {
        let offsets = self.list.value_offsets();
        offsets[row] as usize..offsets[row + 1] as usize
    }
}

/// An event of a span.
#[derive(Debug, Clone)]
pub struct Event<'b> {
    /// ns since 1970 UTC.
    pub unix_nanos: u64,
    /// What happened.
    pub name: &'b str,
    /// Its attributes.
    pub attributes: Attributes<'b>,
    /// Attributes that the sender left out.
    pub dropped_attributes: u32,
}

/// A link of a span.
#[derive(Debug, Clone)]
pub struct Link<'b> {
    /// Hexadecimal, usually 32 digits.
    pub trace_id: &'b str,
    /// Hexadecimal, usually 16 digits.
    pub span_id: &'b str,
    /// W3C `tracestate`.
    pub trace_state: &'b str,
    /// W3C flags.
    pub flags: u32,
    /// Its attributes.
    pub attributes: Attributes<'b>,
    /// Attributes that the sender left out.
    pub dropped_attributes: u32,
}

/// The spans of a batch that has all columns of the table.
#[derive(Debug)]
pub struct Spans {
    timestamp: TimestampMicrosecondArray,
    received_at: TimestampMicrosecondArray,
    texts: Vec<StringArray>,
    start: Int64Array,
    duration: Int64Array,
    numbers: Vec<Int64Array>,
    attributes: Sets,
    resource: Sets,
    scope: Sets,
    events: Parts,
    links: Parts,
    extras: MapArray,
    probability: Float64Array,
    presence: Int32Array,
}

/// In the order of [`Span`]'s methods.
const TEXTS: [&str; 14] = [
    "trace_id",
    "span_id",
    "parent_span_id",
    "service",
    "name",
    "kind",
    "status",
    "status_message",
    "scope_name",
    "scope_version",
    "source",
    "trace_state",
    "resource_schema_url",
    "scope_schema_url",
];
const NUMBERS: [&str; 6] = [
    "flags",
    "dropped_attributes",
    "dropped_events",
    "dropped_links",
    "resource_dropped_attributes",
    "scope_dropped_attributes",
];

impl Spans {
    /// The spans of a batch, whose columns are found by name. Types that mean the same, such as views and dictionaries, are
    /// converted.
    ///
    /// # Errors
    /// A column that is missing, or has a type that cannot be converted.
    pub fn new(batch: &RecordBatch) -> Result<Spans, ArrowError> {
        let columns = Columns::of(batch)?;
        Ok(Spans {
            timestamp: columns.get("timestamp")?,
            received_at: columns.get("received_at")?,
            texts: TEXTS.iter().map(|name| columns.get(name)).collect::<Result<_, _>>()?,
            start: columns.get("start_unix_nanos")?,
            duration: columns.get("duration_nanos")?,
            numbers: NUMBERS.iter().map(|name| columns.get(name)).collect::<Result<_, _>>()?,
            attributes: columns.sets("attributes", "attribute_types", "attribute_nested")?,
            resource: columns.sets("resource_attributes", "resource_types", "resource_nested")?,
            scope: columns.sets("scope_attributes", "scope_types", "scope_nested")?,
            events: Parts::of(columns.get("events")?, &["name"], "time_unix_nanos")?,
            links: Parts::of(columns.get("links")?, &["trace_id", "span_id", "trace_state"], "flags")?,
            extras: columns.get("extras")?,
            probability: columns.get("sampling_probability")?,
            presence: columns.get("presence")?,
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.timestamp.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, by its row.
    pub fn get(&self, row: usize) -> Span<'_> {
        Span { of: self, row }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Span<'_>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// A span.
#[derive(Debug, Clone, Copy)]
pub struct Span<'b> {
    of: &'b Spans,
    row: usize,
}

macro_rules! texts {
    ($($at:literal $name:ident),* $(,)?) => {
        $(#[doc = concat!("`", stringify!($name), "`")] pub fn $name(self) -> &'b str {
            self.of.texts[$at].value(self.row)
        })*
    };
}

macro_rules! counts {
    ($($at:literal $name:ident),* $(,)?) => {
        $(#[doc = concat!("`", stringify!($name), "`")] pub fn $name(self) -> u32 {
            u32::try_from(self.of.numbers[$at].value(self.row)).unwrap_or_default()
        })*
    };
}

impl<'b> Span<'b> {
    texts! {
        0 trace_id, 1 span_id, 2 parent_span_id, 3 service, 4 name, 7 status_message, 8 scope_name,
        9 scope_version, 10 source, 11 trace_state, 12 resource_schema_url, 13 scope_schema_url,
    }

    counts! {
        0 flags, 1 dropped_attributes, 2 dropped_events, 3 dropped_links, 4 resource_dropped_attributes,
        5 scope_dropped_attributes,
    }

    /// What part it had in a call.
    pub fn kind(self) -> Kind {
        Kind::of_word(self.of.texts[5].value(self.row)).unwrap_or_default()
    }

    /// How it ended.
    pub fn status(self) -> Status {
        Status::of_word(self.of.texts[6].value(self.row)).unwrap_or_default()
    }

    /// Start, µs since 1970 UTC.
    pub fn timestamp(self) -> i64 {
        self.of.timestamp.value(self.row)
    }

    /// When the listener received it, µs since 1970 UTC.
    pub fn received_at(self) -> i64 {
        self.of.received_at.value(self.row)
    }

    /// Start, ns since 1970 UTC.
    pub fn start_unix_nanos(self) -> u64 {
        self.of.start.value(self.row).cast_unsigned()
    }

    /// ns; `None` if the sender gave no end. Negative if it ended before it started.
    pub fn duration_nanos(self) -> Option<i64> {
        self.of.duration.is_valid(self.row).then(|| self.of.duration.value(self.row))
    }

    /// End, ns since 1970 UTC; 0 if the sender gave none.
    pub fn end_unix_nanos(self) -> u64 {
        self.duration_nanos().map_or(0, |nanos| self.start_unix_nanos().wrapping_add(nanos.cast_unsigned()))
    }

    /// Its own attributes.
    pub fn attributes(self) -> Attributes<'b> {
        self.of.attributes.get(self.row)
    }

    /// Those of its resource.
    pub fn resource_attributes(self) -> Attributes<'b> {
        self.of.resource.get(self.row)
    }

    /// Those of its scope.
    pub fn scope_attributes(self) -> Attributes<'b> {
        self.of.scope.get(self.row)
    }

    /// Its events, in the sender's order.
    pub fn events(self) -> impl ExactSizeIterator<Item = Event<'b>> {
        let events = &self.of.events;
        events.range(self.row).map(|at| Event {
            unix_nanos: events.numbers.value(at).cast_unsigned(),
            name: events.texts[0].value(at),
            attributes: events.sets.get(at),
            dropped_attributes: u32::try_from(events.dropped.value(at)).unwrap_or_default(),
        })
    }

    /// Its links, in the sender's order.
    pub fn links(self) -> impl ExactSizeIterator<Item = Link<'b>> {
        let links = &self.of.links;
        links.range(self.row).map(|at| Link {
            trace_id: links.texts[0].value(at),
            span_id: links.texts[1].value(at),
            trace_state: links.texts[2].value(at),
            flags: u32::try_from(links.numbers.value(at)).unwrap_or_default(),
            attributes: links.sets.get(at),
            dropped_attributes: u32::try_from(links.dropped.value(at)).unwrap_or_default(),
        })
    }

    /// The probability with which its trace was sampled, where it tells.
    pub fn sampling_probability(self) -> Option<f64> {
        self.of.probability.is_valid(self.row).then(|| self.of.probability.value(self.row))
    }

    /// Something that its format has besides, by its key.
    pub fn extra(self, key: &str) -> Option<&'b str> {
        self.extras().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// What its format has besides.
    pub fn extras(self) -> impl Iterator<Item = (&'b str, &'b str)> {
        let (keys, values) = (self.of.extras.keys().as_string::<i32>(), self.of.extras.values().as_string::<i32>());
        let offsets = self.of.extras.value_offsets();
        (offsets[self.row] as usize..offsets[self.row + 1] as usize).map(|at| (keys.value(at), values.value(at)))
    }

    /// See [`super::presence`].
    pub fn presence(self) -> i32 {
        self.of.presence.value(self.row)
    }
}
