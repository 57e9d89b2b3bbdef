//! A span that is being written: filled in any order, then committed or forgotten.
use super::columns::Packed;
use super::id::write_hex;
use super::rows::{Number, SpanRows, Text};
use super::shared::Shared;
use super::{Kind, Refusal, SHARED_BATCH_BYTES_MAX, SHARED_BYTES_MAX, SPAN_BYTES_MAX, SPAN_PARTS_MAX, Status, Value};
use super::{presence, probability};

const NANOS_PER_MICRO: u64 = 1_000;

/// A span that is not committed yet. Dropping it forgets it.
#[derive(Debug)]
pub struct SpanRow<'r> {
    rows: &'r mut SpanRows,
    start: u64,
    end: Option<u64>,
    has_trace_id: bool,
    has_span_id: bool,
    probability: Option<f64>,
    presence: i32,
    /// What the span's own columns held before it.
    own_bytes: usize,
    parts: usize,
    refusal: Option<Refusal>,
}

impl<'r> SpanRow<'r> {
    pub(super) fn new(rows: &'r mut SpanRows) -> SpanRow<'r> {
        SpanRow {
            own_bytes: rows.own_bytes(),
            parts: 0,
            rows,
            start: 0,
            end: None,
            has_trace_id: false,
            has_span_id: false,
            probability: None,
            presence: 0,
            refusal: None,
        }
    }

    #[inline]
    fn text(&mut self, column: Text, text: &[u8]) -> &mut Self {
        let at = self.rows.timestamp.len();
        self.rows.texts[column as usize].set(at, text);
        self
    }

    #[inline]
    fn number(&mut self, column: Number, number: u32) -> &mut Self {
        let at = self.rows.timestamp.len();
        let numbers = &mut self.rows.numbers[column as usize];
        numbers.truncate(at);
        numbers.push(i64::from(number));
        self
    }

    fn id(&mut self, column: Text, id: &[u8]) {
        let at = self.rows.timestamp.len();
        let ids = &mut self.rows.texts[column as usize];
        ids.truncate(at);
        write_hex(id, &mut ids.bytes);
        ids.end();
    }

    /// The trace. Zeros are no id.
    pub fn trace_id(&mut self, id: [u8; 16]) -> &mut Self {
        self.has_trace_id = id != [0; 16];
        self.id(Text::TraceId, &id);
        self
    }

    /// Its id. Zeros are none.
    pub fn span_id(&mut self, id: [u8; 8]) -> &mut Self {
        self.has_span_id = id != [0; 8];
        self.id(Text::SpanId, &id);
        self
    }

    /// The parent; zeros are none, as for a root.
    pub fn parent_span_id(&mut self, id: [u8; 8]) -> &mut Self {
        if id != [0; 8] {
            self.id(Text::ParentSpanId, &id);
        }
        self
    }

    /// W3C `tracestate`.
    pub fn trace_state(&mut self, state: &str) -> &mut Self {
        self.text(Text::TraceState, state.as_bytes())
    }

    /// W3C flags, and OTLP's bits above them.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.number(Number::Flags, flags)
    }

    /// The operation.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.text(Text::Name, name.as_bytes())
    }

    /// The service, where it is not the resource's `service.name`.
    pub fn service(&mut self, service: &str) -> &mut Self {
        self.text(Text::Service, service.as_bytes())
    }

    /// What part it had in a call.
    pub fn kind(&mut self, kind: Kind) -> &mut Self {
        self.text(Text::Kind, kind.word().as_bytes())
    }

    /// As [`SpanRow::kind`], by OTLP's number; one that is not known is kept in `extras`.
    pub fn kind_number(&mut self, number: i32) -> &mut Self {
        match Kind::of_number(number) {
            Some(kind) => self.kind(kind),
            None => self.extra("otlp.kind", &number.to_string()),
        }
    }

    /// How it ended.
    pub fn status(&mut self, status: Status, message: &str) -> &mut Self {
        self.text(Text::Status, status.word().as_bytes()).text(Text::StatusMessage, message.as_bytes())
    }

    /// As [`SpanRow::status`], by OTLP's number; one that is not known is kept in `extras`.
    pub fn status_number(&mut self, number: i32, message: &str) -> &mut Self {
        match Status::of_number(number) {
            Some(status) => self.status(status, message),
            None => self.extra("otlp.status", &number.to_string()).text(Text::StatusMessage, message.as_bytes()),
        }
    }

    /// Start, ns since 1970 UTC.
    pub fn start(&mut self, unix_nanos: u64) -> &mut Self {
        self.start = unix_nanos;
        self
    }

    /// End, ns since 1970 UTC; 0 if the sender gave none.
    pub fn end(&mut self, unix_nanos: u64) -> &mut Self {
        self.end = (unix_nanos != 0).then_some(unix_nanos);
        self
    }

    /// How long it took, in ns, for formats that say this instead of the end; after [`SpanRow::start`].
    pub fn duration(&mut self, nanos: u64) -> &mut Self {
        self.end = Some(self.start.wrapping_add(nanos));
        self
    }

    /// The start as it stands, ns since 1970 UTC.
    pub fn start_nanos(&self) -> u64 {
        self.start
    }

    /// Attributes, events and links that the sender left out.
    pub fn dropped(&mut self, attributes: u32, events: u32, links: u32) -> &mut Self {
        self.number(Number::DroppedAttributes, attributes)
            .number(Number::DroppedEvents, events)
            .number(Number::DroppedLinks, links)
    }

    /// Attributes that the sender left out.
    pub fn dropped_attributes(&mut self, count: u32) -> &mut Self {
        self.number(Number::DroppedAttributes, count)
    }

    /// Events that the sender left out.
    pub fn dropped_events(&mut self, count: u32) -> &mut Self {
        self.number(Number::DroppedEvents, count)
    }

    /// Links that the sender left out.
    pub fn dropped_links(&mut self, count: u32) -> &mut Self {
        self.number(Number::DroppedLinks, count)
    }

    /// The probability with which its trace was sampled, above 0 and at most 1. Without it the trace state may tell.
    pub fn sampling_probability(&mut self, probability: f64) -> &mut Self {
        self.probability = (probability > 0.0 && probability <= 1.0).then_some(probability);
        self
    }

    /// Notes a part that OTLP gave though it was empty: bits of [`presence`].
    pub fn present(&mut self, bits: i32) -> &mut Self {
        self.presence |= bits;
        self
    }

    /// Something that a format has besides: `jaeger.flags`.
    pub fn extra(&mut self, key: &str, value: &str) -> &mut Self {
        self.part(|rows| rows.extras.push(key, Value::Str(value)).is_ok())
    }

    /// Adds an attribute.
    #[inline]
    pub fn attribute(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        self.part(|rows| rows.attributes.push(key, value).is_ok())
    }

    /// Adds an event; attributes of it follow.
    pub fn event(&mut self, unix_nanos: u64, name: &str, dropped_attributes: u32) -> &mut Self {
        self.part(|rows| {
            let events = &mut rows.events;
            events.close();
            events.numbers.push(unix_nanos.cast_signed());
            events.texts[0].push(name.as_bytes());
            events.dropped.push(i64::from(dropped_attributes));
            true
        })
    }

    /// Adds an attribute to the last event.
    pub fn event_attribute(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        self.part(|rows| rows.events.open_len() == 0 || rows.events.attributes.push(key, value).is_ok())
    }

    /// Adds a link; attributes of it follow. Ids of any length are kept as they are.
    pub fn link(&mut self, trace_id: &[u8], span_id: &[u8], state: &str, flags: u32, dropped: u32) -> &mut Self {
        if trace_id.len() + span_id.len() > SHARED_BYTES_MAX {
            self.refusal = Some(Refusal::TooLarge);
            return self;
        }
        self.part(|rows| {
            let links = &mut rows.links;
            links.close();
            let [trace_ids, span_ids, states] = &mut links.texts;
            for (ids, id) in [(trace_ids, trace_id), (span_ids, span_id)] {
                write_hex(id, &mut ids.bytes);
                ids.end();
            }
            states.push(state.as_bytes());
            links.numbers.push(i64::from(flags));
            links.dropped.push(i64::from(dropped));
            true
        })
    }

    /// Adds an attribute to the last link.
    pub fn link_attribute(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        self.part(|rows| rows.links.open_len() == 0 || rows.links.attributes.push(key, value).is_ok())
    }

    /// Adds one of what a span may have many of, while it has room.
    #[inline]
    fn part(&mut self, push: impl FnOnce(&mut SpanRows) -> bool) -> &mut Self {
        self.parts += 1;
        if self.parts > SPAN_PARTS_MAX {
            self.refusal = Some(Refusal::TooLarge);
        } else if self.refusal.is_none() && !push(self.rows) {
            self.refusal = Some(Refusal::Nested);
        }
        // Looked at from time to time, so that what is too large does not grow on.
        if self.parts.is_multiple_of(64) && self.rows.own_bytes() - self.own_bytes > SPAN_BYTES_MAX {
            self.refusal = Some(Refusal::TooLarge);
        }
        self
    }

    /// The text of an attribute so far.
    pub fn attribute_text(&self, key: &str) -> Option<&str> {
        self.rows.attributes.open_value(key)
    }

    /// Makes it a row. `received_at` is in µs since 1970 UTC.
    ///
    /// # Errors
    /// The reason for which it is refused; it is forgotten then.
    pub fn commit(mut self, received_at: i64) -> Result<(), Refusal> {
        if let Some(refusal) = self.fault() {
            self.rows.rollback();
            return Err(refusal);
        }
        let trace_state = self.rows.texts[Text::TraceState as usize].bytes_of(self.rows.timestamp.len());
        let probability = self.probability.or_else(|| probability::of_trace_state(trace_state?));
        let rows = self.rows;
        rows.share();
        let at = rows.timestamp.len();
        rows.texts.iter_mut().filter(|column| column.len() == at).for_each(|column| column.push(b""));
        rows.numbers.iter_mut().filter(|column| column.len() == at).for_each(|column| column.push(0));
        rows.attributes.close();
        rows.extras.close();
        for parts in [&mut rows.events, &mut rows.links] {
            parts.close();
            parts.ends.push(parts.numbers.len() as i32);
        }
        rows.timestamp.push((self.start / NANOS_PER_MICRO).cast_signed());
        rows.received_at.push(received_at);
        rows.start.push(self.start.cast_signed());
        rows.duration.push(self.end.map_or(0, |end| end.wrapping_sub(self.start).cast_signed()));
        rows.has_end.push(self.end.is_some());
        rows.probability.push(probability);
        let absent = |shared: &Shared, bit| if shared.is_given { 0 } else { bit };
        let given = absent(&rows.resource, presence::NO_RESOURCE) | absent(&rows.scope, presence::NO_SCOPE);
        rows.presence.push(self.presence | given);
        Ok(())
    }

    /// Why it cannot be a row.
    fn fault(&mut self) -> Option<Refusal> {
        if self.rows.own_bytes() - self.own_bytes > SPAN_BYTES_MAX {
            return Some(Refusal::TooLarge);
        }
        let timestamp = (self.start / NANOS_PER_MICRO).cast_signed();
        let shared = self.rows.shared_bytes + self.rows.resource.bytes() + self.rows.scope.bytes();
        let faults = [
            (!self.has_trace_id, Refusal::NoTraceId),
            (!self.has_span_id, Refusal::NoSpanId),
            (!(crate::time::TIMESTAMP_MIN..crate::time::TIMESTAMP_END).contains(&timestamp), Refusal::Timestamp),
            (shared > SHARED_BATCH_BYTES_MAX, Refusal::ResourceTooLarge),
        ];
        let fault = faults.into_iter().find(|(is_so, _)| *is_so).map(|(_, refusal)| refusal);
        let shared = [&self.rows.resource, &self.rows.scope].into_iter().find_map(|shared| match shared.bytes() {
            bytes if bytes > SHARED_BYTES_MAX => Some(Refusal::ResourceTooLarge),
            _ => shared.refusal,
        });
        self.refusal.or(fault).or(shared)
    }
}

impl Packed {
    /// The text at a place, if it is there.
    fn bytes_of(&self, at: usize) -> Option<&str> {
        (at < self.len()).then(|| std::str::from_utf8(self.get(at)).ok())?
    }
}
