//! Events of the `tracing` crate as messages, and its spans as spans (cargo feature `tracing`).
mod spans;

use crate::client::{Client, Emitter};
use crate::global;
use crate::message::{MessageBuilder, Value};
use crate::trace::{Span, To};
use metlog_wire::Severity;
use spans::{Described, Spans};
use std::fmt;
use std::sync::Arc;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;

/// Default type of the messages that a [`Layer`] creates.
pub const LAYER_TYPE_DEFAULT: &str = "log";

/// A layer for `tracing_subscriber`: each event becomes one message. Its level is the severity (ERROR 3, WARN 4,
/// INFO 6, DEBUG and TRACE 7), its target the logger, its `message` the payload, its other fields the fields.
/// Spans are sent with [`Layer::with_spans`]. What else a message has is configured in [`init`](crate::init), filters too.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let subscriber = tracing_subscriber::registry().with(metlog::Layer::new());
/// tracing::subscriber::with_default(subscriber, || tracing::warn!(userid = 25, "bad password"));
/// ```
#[derive(Debug, Clone)]
pub struct Layer {
    client: Option<Client>,
    r#type: String,
    /// Those that are open, where spans are sent.
    spans: Option<Arc<Spans>>,
}

impl Default for Layer {
    fn default() -> Layer {
        Layer { client: None, r#type: LAYER_TYPE_DEFAULT.into(), spans: None }
    }
}

impl Layer {
    /// Sends through the client of the process, from when [`init`](crate::init) was called.
    pub fn new() -> Layer {
        Layer::default()
    }

    /// Sends through this client.
    pub fn with_client(client: Client) -> Layer {
        Layer { client: Some(client), ..Layer::default() }
    }

    /// The type of its messages. Default: [`LAYER_TYPE_DEFAULT`].
    pub fn of_type(mut self, r#type: impl Into<String>) -> Layer {
        self.r#type = r#type.into();
        self
    }

    /// Sends spans too. A span's fields are attributes, its level and target are `level` and `code.namespace`. The fields
    /// `otel.name`, `otel.kind` (`server`, …), `otel.status_code` (`ok`, `error`) and `otel.status_message` say what they
    /// are called after. A span without a parent is a child of the [`Span`](crate::Span) that its thread is in, and messages
    /// of events carry the ids of their span.
    pub fn with_spans(mut self) -> Layer {
        self.spans = Some(Arc::default());
        self
    }

    fn emitter(&self) -> Option<&Emitter> {
        match &self.client {
            Some(client) => Some(client.emitter()),
            None => global::emitter(),
        }
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::ERROR,
        Level::WARN => Severity::WARNING,
        Level::INFO => Severity::INFORMATIONAL,
        _ => Severity::DEBUG,
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Layer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(spans) = &self.spans else { return };
        let parent = match attributes.parent() {
            Some(parent) => Some(parent.clone()),
            None if attributes.is_contextual() => context.current_span().id().cloned(),
            None => None,
        };
        let to = self.client.as_ref().map_or(To::Global, Client::to);
        spans.begin(to, attributes, id, parent.as_ref());
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(spans) = &self.spans {
            spans.with(id, |span| values.record(&mut Described(span)));
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
        if let Some(spans) = &self.spans {
            spans.link(id, follows);
        }
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        if let Some(spans) = &self.spans {
            spans.with(id, Span::enter_here);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        if let Some(spans) = &self.spans {
            spans.with(id, Span::leave_here);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if let Some(spans) = &self.spans {
            spans.end(&id);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(emitter) = self.emitter() else { return };
        let mut found = Found::default();
        event.record(&mut found);
        let metadata = event.metadata();
        let message = MessageBuilder::new(Some(emitter), found.payload.as_str())
            .of_type(&self.r#type)
            .logger(metadata.target())
            .severity(severity(*metadata.level()));
        let with_fields =
            found.fields.iter().fold(message, |message, (name, value)| message.field(name, value.as_str()));
        with_fields.send();
    }
}

/// What an event says.
#[derive(Default)]
struct Found {
    payload: String,
    fields: Vec<(&'static str, Value<'static>)>,
}

impl Found {
    fn put(&mut self, field: &Field, value: impl Into<Value<'static>>) {
        let value = value.into();
        if field.name() == "message" {
            self.payload = value.as_str().to_owned();
        } else {
            self.fields.push((field.name(), value));
        }
    }
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Destination};
    use metlog_wire::Message;
    use tracing_subscriber::layer::SubscriberExt;

    fn captured(run: impl FnOnce()) -> Vec<Message> {
        let (destination, captured) = Destination::capture();
        let client = Client::new(Config::default().destination(destination).statsd(false)).unwrap();
        let subscriber = tracing_subscriber::registry().with(Layer::with_client(client.clone()));
        tracing::subscriber::with_default(subscriber, run);
        assert!(client.flush());
        captured.messages()
    }

    #[test]
    fn levels_become_severities() {
        let messages = captured(|| {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("d");
            tracing::trace!("t");
        });
        let found = messages.iter().map(|message| (message.payload.as_str(), message.severity.number()));
        assert!(found.eq([("e", 3), ("w", 4), ("i", 6), ("d", 7), ("t", 7)]));
    }

    #[test]
    fn an_event_keeps_what_it_says() {
        let error = std::io::Error::other("broken");
        let messages = captured(|| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(target: "auth::login", userid = 25, name = "ann", ok = false, took = 0.5, error, list = ?[1], "bad {}", "password");
        });
        let [message] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((message.r#type.as_str(), message.logger.as_str()), (LAYER_TYPE_DEFAULT, "auth::login"));
        assert_eq!(message.payload, "bad password");
        let fields = message.fields.iter().map(|(name, value)| format!("{name}={value}"));
        assert!(fields.eq(["userid=25", "name=ann", "ok=false", "took=0.5", "error=broken", "list=[1]"]));
    }

    /// Scenario: an event before the process has a client, one while it has one, one after that is gone.
    /// Guarantees: the layer is harmless without a client, and finds the one that is made later.
    #[test]
    fn without_a_client_of_its_own_it_uses_the_one_of_the_process() {
        let (destination, captured) = Destination::capture();
        let subscriber = tracing_subscriber::registry().with(Layer::new().of_type("x"));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("too early");
            let guard = crate::init(Config::default().destination(destination).statsd(false)).unwrap();
            tracing::info!("in time");
            drop(guard);
            tracing::info!("too late");
        });
        let found = captured.messages().into_iter().map(|message| (message.r#type, message.payload));
        assert!(found.eq([("x".to_owned(), "in time".to_owned())]));
    }
}
