//! Milo's spans, as its tracers give them to Scribe: frames of a magic number, a length, and a Thrift span.
//! Source: lenn0x/Milo-Tracing-Framework, if/milo.thrift.
//!
//! A call has one id on both of its sides, each of which sends what it saw: two rows, of kind `client` and `server`. They
//! are stored as they came, at any time and in any order; whoever asks for the trace gets one span of both.
use crate::format::thrift::{Binary, Kind as Type, Protocol, Result};
use crate::format::{Decoded, Entry};
use crate::span::{Kind, SpanRow, SpanRows, Value};
use std::borrow::Cow;

/// The category of its log entries.
pub const CATEGORY: &[u8] = b"Milo-Trace";
const MAGIC: [u8; 4] = [0x8b, 0xad, 0xf0, 0x0d];
const HEAD_BYTES: usize = 8;
const NANOS_PER_MICRO: u64 = 1_000;

/// The frames of a message, each with its head; the last one is what remains where that is no frame.
pub fn frames(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let whole = span_of(rest).map_or(rest.len(), |span| HEAD_BYTES + span.len());
        let (frame, after) = rest.split_at(whole);
        rest = after;
        Some(frame)
    })
}

/// The span of the first frame.
fn span_of(frame: &[u8]) -> Option<&[u8]> {
    let rest = frame.strip_prefix(&MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Each frame becomes a row or is refused by itself; what is no frame ends the message.
pub(super) fn decode(message: &[u8], at: Entry, out: &mut Decoded) {
    if message.is_empty() {
        out.reject(at, "empty", 1, message);
    }
    for frame in frames(message) {
        let Some(span) = span_of(frame) else {
            out.reject(at, "milo_bad_frame", 1, frame);
            continue;
        };
        match read_span(Binary::new(span)) {
            Ok(span) => span.write(at, out, frame),
            Err(error) => out.reject(at, error.reason(), 1, frame),
        }
    }
}

/// What happened, by its number.
const EVENTS: [&str; 6] = ["UNKNOWN", "CLIENT_SEND", "CLIENT_RECV", "SERVER_SEND", "SERVER_RECV", "CUSTOM"];

struct Event<'a> {
    /// µs since 1970 UTC.
    timestamp: u64,
    r#type: usize,
    value: Cow<'a, str>,
}

#[derive(Default)]
struct Span<'a> {
    trace_id: i64,
    name: Cow<'a, str>,
    id: i64,
    parent_id: i64,
    client_host: Cow<'a, str>,
    server_host: Cow<'a, str>,
    events: Vec<Event<'a>>,
    annotations: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    counters: Vec<(Cow<'a, str>, i64)>,
}

fn text<'a>(from: &mut Binary<'a>) -> Result<Cow<'a, str>> {
    from.bytes().map(String::from_utf8_lossy)
}

fn read_span(mut from: Binary<'_>) -> Result<Span<'_>> {
    let mut span = Span::default();
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Type::I64) => span.trace_id = from.i64()?,
            (2, Type::Bytes) => span.name = text(&mut from)?,
            (3, Type::I64) => span.id = from.i64()?,
            (4, Type::I64) => span.parent_id = from.i64()?,
            (5, Type::Bytes) => span.client_host = text(&mut from)?,
            (6, Type::Bytes) => span.server_host = text(&mut from)?,
            (7, Type::List) => read_events(&mut from, &mut span)?,
            (8, Type::Map) => {
                let (key, value, len) = from.map()?;
                for _ in 0..len {
                    if (key, value) != (Type::Bytes, Type::Bytes) {
                        from.skip_element(key)?;
                        from.skip_element(value)?;
                        continue;
                    }
                    span.annotations.push((text(&mut from)?, text(&mut from)?));
                }
            }
            (9, Type::Map) => {
                let (key, value, len) = from.map()?;
                for _ in 0..len {
                    if (key, value) != (Type::Bytes, Type::I64) {
                        from.skip_element(key)?;
                        from.skip_element(value)?;
                        continue;
                    }
                    span.counters.push((text(&mut from)?, from.i64()?));
                }
            }
            _ => from.skip(kind)?,
        }
    }
    Ok(span)
}

fn read_events<'a>(from: &mut Binary<'a>, span: &mut Span<'a>) -> Result<()> {
    let (kind, len) = from.list()?;
    for _ in 0..len {
        if kind != Type::Struct {
            from.skip_element(kind)?;
            continue;
        }
        let mut event = Event { timestamp: 0, r#type: 0, value: Cow::Borrowed("") };
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Type::I64) => event.timestamp = u64::try_from(from.i64()?).unwrap_or(0),
                (2, Type::I32) => {
                    event.r#type = usize::try_from(from.i32()?).ok().filter(|of| *of < EVENTS.len()).unwrap_or(0);
                }
                (3, Type::Bytes) => event.value = text(from)?,
                _ => from.skip(kind)?,
            }
        }
        span.events.push(event);
    }
    Ok(())
}

impl Span<'_> {
    /// Which side of the call sent it.
    fn kind(&self) -> Kind {
        let has = |types: [usize; 2]| self.events.iter().any(|event| types.contains(&event.r#type));
        match (has([1, 2]), has([3, 4])) {
            (true, false) => Kind::Client,
            (false, true) => Kind::Server,
            _ => Kind::Unspecified,
        }
    }

    /// The first and the last moment of the call: of its sends and receives, or else of any event. Which of a pair comes
    /// first is not relied on, since a client of Milo's own has them the wrong way round.
    fn bounds(&self) -> Option<(u64, u64)> {
        let of_call = |event: &&Event<'_>| (1..=4).contains(&event.r#type);
        let bounds = |times: &mut dyn Iterator<Item = u64>| {
            times.fold(None, |bounds: Option<(u64, u64)>, at| {
                Some(bounds.map_or((at, at), |(first, last)| (first.min(at), last.max(at))))
            })
        };
        let mut call = self.events.iter().filter(of_call).map(|event| event.timestamp);
        bounds(&mut call).or_else(|| bounds(&mut self.events.iter().map(|event| event.timestamp)))
    }

    fn write(&self, at: Entry, out: &mut Decoded, bytes: &[u8]) {
        let rows = out.rows.of::<SpanRows>();
        let kind = self.kind();
        // Spans are named `Service.method` by the service that is called.
        let service = self.name.split_once('.').map_or("", |(service, _)| service);
        let host = if kind == Kind::Client { &self.client_host } else { &self.server_host };
        let mut resource = rows.resource("milo");
        resource.attribute("service.name", Value::Str(service));
        if !host.is_empty() {
            resource.attribute("host.name", Value::Str(host));
        }
        let mut row = rows.begin();
        row.trace_id(u128::from(self.trace_id.cast_unsigned()).to_be_bytes());
        row.span_id(self.id.to_be_bytes()).name(&self.name).kind(kind);
        if self.parent_id != self.id {
            row.parent_span_id(self.parent_id.to_be_bytes());
        }
        self.write_times(&mut row, at);
        for (key, value) in &self.annotations {
            row.attribute(key, Value::Str(value));
        }
        for (key, count) in &self.counters {
            row.attribute(key, Value::Int(*count));
        }
        for (key, host) in [("milo.client_host", &self.client_host), ("milo.server_host", &self.server_host)] {
            if !host.is_empty() {
                row.extra(key, host);
            }
        }
        match row.commit(at.received_at) {
            Ok(()) => out.counts.fact(),
            Err(refusal) => out.reject(at, refusal.reason(), 1, bytes),
        }
    }

    fn write_times(&self, row: &mut SpanRow<'_>, at: Entry) {
        let nanos = |micros: u64| micros.checked_mul(NANOS_PER_MICRO).unwrap_or(0);
        match self.bounds() {
            Some((first, last)) => {
                row.start(nanos(first));
                if last > first {
                    row.end(nanos(last));
                }
            }
            None => {
                row.start(nanos(at.received_at.cast_unsigned())).extra("milo.timestamp", "absent");
            }
        }
        for event in &self.events {
            // What a program recorded is named by its text, all else by its type.
            let is_custom = event.r#type == 5 && !event.value.is_empty();
            let name = if is_custom { &*event.value } else { EVENTS[event.r#type] };
            row.event(nanos(event.timestamp), name, 0);
            if is_custom {
                row.event_attribute("milo.event", Value::Str(EVENTS[event.r#type]));
            } else if !event.value.is_empty() {
                row.event_attribute("value", Value::Str(&event.value));
            }
        }
    }
}
