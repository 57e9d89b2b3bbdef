//! Rules of privacy on a request: it is written again, by the table of its messages.
//!
//! A rule about fields reaches every attribute: of spans, events, links, log records, scopes and resources, and tags of
//! points. One about payloads reaches names of spans and events, status messages, bodies, and the text of every
//! attribute. A rule that names a type (the name of a span, the event name of a record) reaches what the item itself
//! has; resources and scopes are shared by many. `service.name` and `host.name` are no fields. What the table does not
//! know is left out: no rule could reach it.
use super::super::redact::{Redacted, Redactor};
use super::messages::{
    ANY_VALUE, EVENT, Field, KEY_VALUE, Kind, LOG_RECORD, METRIC, Message as Kinds, RESOURCE, RESOURCE_LOGS,
    RESOURCE_METRICS, RESOURCE_SPANS, SPAN, STATUS,
};
use super::proto::{
    Cursor, Malformed, Value, put_bytes, put_fixed32, put_fixed64, put_message, put_number, put_varint,
};
use super::{Signal, count, count_in, each, points, value};
use crate::format::UNREADABLE;
use crate::wire::Message;

/// The type of a log record that does not name its event.
const LOG: &str = "log";

/// Why something is refused as a whole.
type Reason = &'static str;

/// Applies the rules; items that they drop, or that cannot be looked through, are refused by themselves.
pub fn redact(signal: Signal, request: &[u8], rules: &dyn Redactor) -> Redacted {
    let mut writer = Writer { signal, rules, rejected: Vec::new() };
    let mut bytes = Vec::with_capacity(request.len());
    let written = writer.message(signal.request(), request, &Context::default(), &mut bytes);
    if let Err(reason) = written {
        return Redacted { rejected: vec![(reason, count(signal, request).unwrap_or(1))], ..Redacted::default() };
    }
    let is_left = count(signal, &bytes).is_ok_and(|left| left > 0);
    Redacted { datagram: is_left.then_some(bytes), moved: Vec::new(), rejected: writer.rejected }
}

/// Whose fields are written.
#[derive(Debug, Clone, Default)]
struct Context {
    r#type: String,
    logger: String,
    is_resource: bool,
}

struct Writer<'r> {
    signal: Signal,
    rules: &'r dyn Redactor,
    rejected: Vec<(Reason, u64)>,
}

fn is(message: &'static Kinds, other: &'static Kinds) -> bool {
    std::ptr::eq(message, other)
}

impl Writer<'_> {
    /// Writes what is left of a message.
    fn message(&mut self, of: &'static Kinds, bytes: &[u8], context: &Context, to: &mut Vec<u8>) -> Result<(), Reason> {
        let mut cursor = Cursor::new(bytes);
        while let Some((number, field)) = cursor.next()? {
            let Some(known) = of.fields.iter().find(|field| field.number == number) else { continue };
            match (known.kind, field) {
                (Kind::Message(kind), Value::Bytes(inner)) => self.inner(of, known, kind, inner, context, to)?,
                (Kind::Text, Value::Bytes(text)) if is_told(of, known) => {
                    let text = std::str::from_utf8(text).map_err(|_| UNREADABLE)?;
                    put_bytes(number, self.payload(text, context)?.as_bytes(), to);
                }
                (_, field) => copy(number, field, to),
            }
        }
        Ok(())
    }

    /// Writes what is left of a message inside of another.
    fn inner(
        &mut self,
        outer: &'static Kinds,
        field: &Field,
        of: &'static Kinds,
        bytes: &[u8],
        context: &Context,
        to: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        let number = field.number;
        if is(of, &KEY_VALUE) {
            return self.attribute(number, bytes, context, to);
        }
        if is(of, &ANY_VALUE) && is(outer, &LOG_RECORD) {
            return self.body(number, bytes, context, to);
        }
        let (start, refused) = (to.len(), self.rejected.len());
        let own = own_context(of, bytes, context)?;
        let written = put_message(number, to, |to| self.message(of, bytes, &own, to));
        let Err(reason) = written else { return Ok(()) };
        // What holds items is refused as a whole; what is in an item refuses the item.
        let items = if is(of, &SPAN) || is(of, &LOG_RECORD) {
            1
        } else if is(of, &METRIC) {
            points(bytes)?
        } else if [&RESOURCE_SPANS, &RESOURCE_LOGS, &RESOURCE_METRICS].into_iter().any(|one| is(of, one)) {
            count_in(self.signal, bytes)?
        } else {
            return Err(reason);
        };
        to.truncate(start);
        // What was refused inside of it is part of it.
        self.rejected.truncate(refused);
        self.rejected.extend((items > 0).then_some((reason, items)));
        Ok(())
    }

    fn attribute(&self, number: u32, pair: &[u8], context: &Context, to: &mut Vec<u8>) -> Result<(), Reason> {
        let (key, value) = value::attribute(pair)?;
        if context.is_resource && (key == "service.name" || key == "host.name") {
            put_bytes(number, pair, to);
            return Ok(());
        }
        let mut text = Vec::new();
        value.write(&mut text).ok_or(UNREADABLE)?;
        let text = String::from_utf8(text).map_err(|_| UNREADABLE)?;
        let Some(left) = self.field(key, &text, context)? else { return Ok(()) };
        if left == text {
            put_bytes(number, pair, to);
            return Ok(());
        }
        if self.signal == Signal::Metrics && !context.is_resource {
            // Series that only this tag tells apart would become one, and their totals be taken for each other.
            return Err(UNREADABLE);
        }
        put_message(number, to, |to| {
            put_bytes(1, key.as_bytes(), to);
            put_message(2, to, |any| {
                put_bytes(1, left.as_bytes(), any);
                Ok(())
            })
        })
    }

    /// What is left of a field's text; `None`: nothing.
    fn field(&self, key: &str, text: &str, context: &Context) -> Result<Option<String>, Reason> {
        if self.signal == Signal::Metrics {
            let mut tags = vec![(key.to_owned(), text.to_owned())];
            self.rules.tags(&mut tags);
            if tags.is_empty() && !context.is_resource {
                return Err(UNREADABLE);
            }
            return Ok(tags.pop().map(|(_, text)| text));
        }
        let mut message = context.message();
        message.fields.push((key.to_owned(), text.to_owned()));
        self.rules.message(&mut message)?;
        let Some((_, left)) = message.fields.pop() else { return Ok(None) };
        self.payload(&left, context).map(Some)
    }

    /// What is left of a text that is said.
    fn payload(&self, text: &str, context: &Context) -> Result<String, Reason> {
        let mut message = Message { payload: text.to_owned(), ..context.message() };
        self.rules.message(&mut message)?;
        Ok(message.payload)
    }

    fn body(&self, number: u32, any: &[u8], context: &Context, to: &mut Vec<u8>) -> Result<(), Reason> {
        let mut text = Vec::new();
        value::value(any)?.write(&mut text).ok_or(UNREADABLE)?;
        let text = String::from_utf8(text).map_err(|_| UNREADABLE)?;
        match self.field("body", &text, context)? {
            Some(left) if left == text => put_bytes(number, any, to),
            left => put_message(number, to, |to| {
                put_bytes(1, left.unwrap_or_default().as_bytes(), to);
                Ok::<(), Reason>(())
            })?,
        }
        Ok(())
    }
}

impl Context {
    fn message(&self) -> Message {
        Message { r#type: self.r#type.clone(), logger: self.logger.clone(), ..Message::default() }
    }
}

/// Texts that are said, not names of things.
fn is_told(of: &'static Kinds, field: &Field) -> bool {
    let named = (is(of, &SPAN) || is(of, &EVENT)) && field.name == "name";
    named || (is(of, &STATUS) && field.name == "message")
}

/// The context of what is inside of a message.
fn own_context(of: &'static Kinds, bytes: &[u8], outer: &Context) -> Result<Context, Malformed> {
    let mut own = outer.clone();
    own.is_resource = is(of, &RESOURCE);
    let text = |number: u32| {
        let mut text = "";
        let mut cursor = Cursor::new(bytes);
        while let Some((found, field)) = cursor.next()? {
            if found == number {
                text = field.text()?;
            }
        }
        Ok(text.to_owned())
    };
    if is(of, &SPAN) {
        own.r#type = text(5)?;
    } else if is(of, &LOG_RECORD) {
        own.r#type = Some(text(12)?).filter(|name| !name.is_empty()).unwrap_or_else(|| LOG.to_owned());
    } else if is(of, &RESOURCE_SPANS) || is(of, &RESOURCE_LOGS) || is(of, &RESOURCE_METRICS) {
        each(bytes, 1, |resource| {
            each(resource, 1, |pair| {
                if let ("service.name", crate::span::Value::Str(name)) = value::attribute(pair)? {
                    name.clone_into(&mut own.logger);
                }
                Ok(())
            })
        })?;
    }
    Ok(own)
}

/// Writes a field as it was.
fn copy(number: u32, field: Value<'_>, to: &mut Vec<u8>) {
    match field {
        Value::Varint(value) => put_number(number, value, to),
        Value::Fixed64(value) => put_fixed64(number, value, to),
        Value::Fixed32(value) => put_fixed32(number, value, to),
        Value::Bytes(bytes) => {
            put_varint(u64::from(number) << 3 | 2, to);
            put_varint(bytes.len() as u64, to);
            to.extend_from_slice(bytes);
        }
    }
}
