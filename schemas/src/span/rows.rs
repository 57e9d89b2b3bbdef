//! Rows of `spans`, built column by column straight from the bytes that came. A resource and a scope are set once and
//! belong to all spans that follow; a span is begun, filled in any order, and committed or forgotten.
use super::attributes::Attributes;
use super::columns::{Packed, filled};
use super::parts::Parts;
use super::row::SpanRow;
use super::shared::{Set, Shared};
use crate::table::spans::{event_fields, link_fields};
use crate::table::{RowBuilder, Table, TableRows, timestamp_type};
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::sync::Arc;

const SERVICE: &str = "service.name";

/// The single texts of a row, in the order of [`SpanRows::texts`].
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(super) enum Text {
    TraceId,
    SpanId,
    ParentSpanId,
    Service,
    Name,
    Kind,
    Status,
    StatusMessage,
    ScopeName,
    ScopeVersion,
    Source,
    TraceState,
    ResourceSchemaUrl,
    ScopeSchemaUrl,
}

const TEXTS: usize = 14;

/// Whole numbers of a row that are 0 unless set.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(super) enum Number {
    Flags,
    DroppedAttributes,
    DroppedEvents,
    DroppedLinks,
    ResourceDropped,
    ScopeDropped,
}

const NUMBERS: usize = 6;

/// Rows on their way to a [`RecordBatch`] of the table `spans`.
///
/// [`SpanRows::resource`] begins whatever was sent together, and forgets the resource and the scope before it: every
/// datagram and request has to begin with it.
#[derive(Debug, Default)]
pub struct SpanRows {
    pub(super) timestamp: Vec<i64>,
    pub(super) received_at: Vec<i64>,
    pub(super) start: Vec<i64>,
    pub(super) duration: Vec<i64>,
    pub(super) has_end: Vec<bool>,
    pub(super) texts: [Packed; TEXTS],
    pub(super) numbers: [Vec<i64>; NUMBERS],
    pub(super) probability: Vec<Option<f64>>,
    pub(super) presence: Vec<i32>,
    pub(super) attributes: Attributes,
    pub(super) resource_attributes: Attributes,
    pub(super) scope_attributes: Attributes,
    pub(super) extras: Attributes,
    pub(super) events: Parts,
    pub(super) links: Parts,
    pub(super) source: &'static str,
    pub(super) resource: Shared,
    pub(super) scope: Shared,
    /// Bytes of resources and scopes that were copied to rows of this batch.
    pub(super) shared_bytes: usize,
}

impl SpanRows {
    /// Committed rows.
    pub fn len(&self) -> usize {
        self.timestamp.len()
    }

    /// True if no row is committed.
    pub fn is_empty(&self) -> bool {
        self.timestamp.is_empty()
    }

    /// Bytes of text held, a measure of its size.
    pub fn text_bytes(&self) -> usize {
        let sets = [&self.attributes, &self.resource_attributes, &self.scope_attributes, &self.extras];
        self.texts.iter().map(|column| column.bytes.len()).sum::<usize>()
            + sets.into_iter().map(Attributes::text_bytes).sum::<usize>()
            + self.events.text_bytes()
            + self.links.text_bytes()
    }

    /// Begins the spans of a resource, from a format such as `otlp`. They have no scope until [`SpanRows::scope`].
    pub fn resource(&mut self, source: &'static str) -> Set<'_> {
        self.source = source;
        self.scope.clear();
        self.resource.clear();
        Set { shared: &mut self.resource }
    }

    /// Begins the spans of another scope of the same resource.
    pub fn scope(&mut self) -> Set<'_> {
        self.scope.clear();
        Set { shared: &mut self.scope }
    }

    /// Begins a span. What was begun before and not committed is forgotten.
    pub fn begin(&mut self) -> SpanRow<'_> {
        self.rollback();
        SpanRow::new(self)
    }

    pub(super) fn own_bytes(&self) -> usize {
        let texts =
            [Text::Name, Text::StatusMessage, Text::TraceState].map(|text| self.texts[text as usize].bytes.len());
        texts.into_iter().sum::<usize>()
            + self.attributes.text_bytes()
            + self.extras.text_bytes()
            + self.events.text_bytes()
            + self.links.text_bytes()
    }

    pub(super) fn rollback(&mut self) {
        let rows = self.timestamp.len();
        self.texts.iter_mut().for_each(|column| column.truncate(rows));
        self.numbers.iter_mut().for_each(|column| column.truncate(rows));
        for set in [&mut self.attributes, &mut self.resource_attributes, &mut self.scope_attributes, &mut self.extras] {
            set.truncate(rows);
        }
        self.events.rollback(rows);
        self.links.rollback(rows);
    }

    /// The committed rows as one batch; none are left here.
    ///
    /// # Errors
    /// Only where Arrow refuses the columns, which would be a defect.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rollback();
        self.shared_bytes = 0;
        let schema = Table::Spans.schema();
        let time = |values: &mut Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(filled(values)).with_data_type(timestamp_type()))
        };
        let ended = NullBuffer::from(filled(&mut self.has_end));
        let [attributes, attribute_types, attribute_nested] = self.attributes.finish()?;
        let [resource_attributes, resource_types, resource_nested] = self.resource_attributes.finish()?;
        let [scope_attributes, scope_types, scope_nested] = self.scope_attributes.finish()?;
        let [extras, ..] = self.extras.finish()?;
        let events = self.finish_events(schema.field_with_name("events")?.data_type())?;
        let links = self.finish_links(schema.field_with_name("links")?.data_type())?;
        let mut texts = Vec::with_capacity(TEXTS);
        for column in &mut self.texts {
            texts.push(Arc::new(column.texts()?) as ArrayRef);
        }
        let text = |of: Text| texts[of as usize].clone();
        let numbers = self.numbers.each_mut().map(|column| Arc::new(Int64Array::from(filled(column))) as ArrayRef);
        let number = |of: Number| numbers[of as usize].clone();
        let columns: Vec<ArrayRef> = vec![
            time(&mut self.timestamp),
            time(&mut self.received_at),
            text(Text::TraceId),
            text(Text::SpanId),
            text(Text::ParentSpanId),
            text(Text::Service),
            text(Text::Name),
            text(Text::Kind),
            text(Text::Status),
            text(Text::StatusMessage),
            Arc::new(Int64Array::from(filled(&mut self.start))),
            Arc::new(Int64Array::try_new(filled(&mut self.duration).into(), Some(ended))?),
            attributes,
            resource_attributes,
            scope_attributes,
            events,
            links,
            text(Text::ScopeName),
            text(Text::ScopeVersion),
            text(Text::Source),
            text(Text::TraceState),
            number(Number::Flags),
            attribute_types,
            attribute_nested,
            resource_types,
            resource_nested,
            scope_types,
            scope_nested,
            number(Number::DroppedAttributes),
            number(Number::DroppedEvents),
            number(Number::DroppedLinks),
            number(Number::ResourceDropped),
            number(Number::ScopeDropped),
            text(Text::ResourceSchemaUrl),
            text(Text::ScopeSchemaUrl),
            Arc::new(Float64Array::from(filled(&mut self.probability))),
            extras,
            Arc::new(Int32Array::from(filled(&mut self.presence))),
        ];
        RecordBatch::try_new(schema, columns)
    }

    fn finish_events(&mut self, of: &DataType) -> Result<ArrayRef, ArrowError> {
        let events = &mut self.events;
        let [attributes, types, nested] = events.attributes.finish()?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(filled(&mut events.numbers))),
            Arc::new(events.texts[0].texts()?),
            attributes,
            types,
            nested,
            Arc::new(Int64Array::from(filled(&mut events.dropped))),
        ];
        events.finish(of, event_fields(), columns)
    }

    fn finish_links(&mut self, of: &DataType) -> Result<ArrayRef, ArrowError> {
        let links = &mut self.links;
        let [attributes, types, nested] = links.attributes.finish()?;
        let [trace_id, span_id, trace_state] = &mut links.texts;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(trace_id.texts()?),
            Arc::new(span_id.texts()?),
            Arc::new(trace_state.texts()?),
            Arc::new(Int64Array::from(filled(&mut links.numbers))),
            attributes,
            types,
            nested,
            Arc::new(Int64Array::from(filled(&mut links.dropped))),
        ];
        links.finish(of, link_fields(), columns)
    }
}

impl RowBuilder for SpanRows {
    fn len(&self) -> usize {
        SpanRows::len(self)
    }

    fn text_bytes(&self) -> usize {
        SpanRows::text_bytes(self)
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        SpanRows::finish(self)
    }
}

impl TableRows for SpanRows {
    const TABLE: Table = Table::Spans;
}

impl SpanRows {
    /// Copies the resource and the scope into the row that is being written.
    pub(super) fn share(&mut self) {
        self.resource.close();
        self.scope.close();
        let at = self.timestamp.len();
        self.shared_bytes += self.resource.bytes() + self.scope.bytes();
        self.resource_attributes.append(&self.resource.attributes);
        self.scope_attributes.append(&self.scope.attributes);
        let texts = [
            (Text::ScopeName, self.scope.name.as_str()),
            (Text::ScopeVersion, self.scope.version.as_str()),
            (Text::ScopeSchemaUrl, self.scope.schema_url.as_str()),
            (Text::ResourceSchemaUrl, self.resource.schema_url.as_str()),
            (Text::Source, self.source),
        ];
        for (column, text) in texts {
            self.texts[column as usize].set(at, text.as_bytes());
        }
        if self.texts[Text::Service as usize].len() == at {
            let service = self.resource.attributes.first_value(SERVICE).unwrap_or_default();
            self.texts[Text::Service as usize].push(service.as_bytes());
        }
        let dropped = [(Number::ResourceDropped, self.resource.dropped), (Number::ScopeDropped, self.scope.dropped)];
        for (column, count) in dropped {
            self.numbers[column as usize].push(i64::from(count));
        }
    }
}
