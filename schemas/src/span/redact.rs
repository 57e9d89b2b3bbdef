//! Rules of privacy on spans, for every format: to a rule a span is a message of the type `span` whose logger is its
//! service, whose fields are its attributes, and whose payloads are its texts.
//!
//! Attributes of spans, resources, scopes, events and links are looked at one by one, nested values as the JSON that SQL
//! shows; one that a rule changes is a text from then on. Texts are the name, the status's message and names of events.
use super::proto::{AnyValue, KeyValue, TracesData, any_value};
use super::{Value, text};
use crate::format::Redactor;
use crate::wire::Message;
use prost::Message as _;

/// The type that rules see.
pub const TYPE: &str = "span";

/// What becomes of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// This text stands in its place.
    Replace(String),
    /// It is left out.
    Drop,
}

/// The rules, for the spans of one service.
pub struct SpanRules<'r> {
    rules: &'r dyn Redactor,
    message: Message,
}

impl std::fmt::Debug for SpanRules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpanRules").field("service", &self.message.logger).finish_non_exhaustive()
    }
}

impl<'r> SpanRules<'r> {
    /// For spans of a service.
    pub fn new(rules: &'r dyn Redactor, service: &str) -> SpanRules<'r> {
        let message = Message { r#type: TYPE.to_owned(), logger: service.to_owned(), ..Message::default() };
        SpanRules { rules, message }
    }

    /// What becomes of an attribute, by its value as text.
    ///
    /// # Errors
    /// The reason for which its whole span must be refused.
    pub fn field(&mut self, key: &str, value: &str) -> Result<Change, &'static str> {
        let mut message = Message { fields: vec![(key.to_owned(), value.to_owned())], ..self.message.clone() };
        self.rules.message(&mut message)?;
        Ok(match message.fields.pop() {
            None => Change::Drop,
            Some((_, put)) if put == value => Change::Keep,
            Some((_, put)) => Change::Replace(put),
        })
    }

    /// What becomes of an attribute.
    ///
    /// # Errors
    /// The reason for which its whole span must be refused.
    pub fn value(&mut self, key: &str, value: Value<'_>) -> Result<Change, &'static str> {
        let Value::Str(text) = value else {
            let mut text = Vec::new();
            text::write_value(value, &mut text).ok_or(crate::format::UNREADABLE)?;
            return self.field(key, &String::from_utf8_lossy(&text));
        };
        self.field(key, text)
    }

    /// A text after the rules.
    ///
    /// # Errors
    /// The reason for which its whole span must be refused.
    pub fn text(&mut self, text: &str) -> Result<String, &'static str> {
        let mut message = Message { payload: text.to_owned(), ..self.message.clone() };
        self.rules.message(&mut message)?;
        Ok(message.payload)
    }

    /// Rewrites attributes.
    ///
    /// # Errors
    /// The reason for which their whole span must be refused.
    pub fn attributes(&mut self, attributes: &mut Vec<KeyValue>) -> Result<(), &'static str> {
        let mut fault = None;
        attributes.retain_mut(|pair| match self.any_value(&pair.key, pair.value.as_ref()) {
            Ok(Change::Keep) => true,
            Ok(Change::Drop) => false,
            Ok(Change::Replace(text)) => {
                pair.value = Some(AnyValue { value: Some(any_value::Value::StringValue(text)) });
                true
            }
            Err(reason) => {
                fault = Some(reason);
                false
            }
        });
        fault.map_or(Ok(()), Err)
    }

    fn any_value(&mut self, key: &str, value: Option<&AnyValue>) -> Result<Change, &'static str> {
        use any_value::Value as Any;
        let Some(value) = value else { return self.field(key, "") };
        match &value.value {
            None => self.field(key, ""),
            Some(Any::StringValue(text)) => self.field(key, text),
            Some(Any::BoolValue(value)) => self.value(key, Value::Bool(*value)),
            Some(Any::IntValue(number)) => self.value(key, Value::Int(*number)),
            Some(Any::DoubleValue(number)) => self.value(key, Value::Double(*number)),
            Some(Any::BytesValue(bytes)) => self.value(key, Value::Bytes(bytes)),
            Some(Any::ArrayValue(_) | Any::KvlistValue(_)) => self.value(key, Value::Nested(&value.encode_to_vec())),
        }
    }
}

/// Rewrites traces by rules. Spans that must be refused are left out, and come back by reason.
pub fn traces(rules: &dyn Redactor, data: &mut TracesData) -> Vec<(&'static str, u64)> {
    let mut rejected = Vec::new();
    for of_resource in &mut data.resource_spans {
        let named = of_resource.resource.iter().flat_map(|resource| &resource.attributes);
        let service = named.filter(|pair| pair.key == "service.name").find_map(|pair| match &pair.value {
            Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }) => Some(text.clone()),
            _ => None,
        });
        let mut of_service = SpanRules::new(rules, service.as_deref().unwrap_or_default());
        let shared = of_resource.resource.as_mut().map_or(Ok(()), |of| of_service.attributes(&mut of.attributes));
        for of_scope in &mut of_resource.scope_spans {
            let scope = of_scope.scope.as_mut().map_or(Ok(()), |of| of_service.attributes(&mut of.attributes));
            of_scope.spans.retain_mut(|span| match shared.and(scope).and_then(|()| of_service.span(span)) {
                Ok(()) => true,
                Err(reason) => {
                    rejected.push((reason, 1));
                    false
                }
            });
        }
        // Nothing of a resource may stay whose rules failed half way.
        if shared.is_err() {
            of_resource.resource = None;
        }
    }
    rejected
}

impl SpanRules<'_> {
    /// Rewrites a span of OTLP.
    ///
    /// # Errors
    /// The reason for which it must be refused.
    pub fn span(&mut self, span: &mut super::proto::Span) -> Result<(), &'static str> {
        span.name = self.text(&span.name)?;
        self.attributes(&mut span.attributes)?;
        for event in &mut span.events {
            event.name = self.text(&event.name)?;
            self.attributes(&mut event.attributes)?;
        }
        for link in &mut span.links {
            self.attributes(&mut link.attributes)?;
        }
        if let Some(status) = &mut span.status {
            status.message = self.text(&status.message)?;
        }
        Ok(())
    }
}
