//! Spans of the `tracing` crate while they are open, by the ids that their subscriber gave them.
//!
//! Kept here and not by the subscriber: that asks nothing more of it than before.
use crate::trace::{Span, To};
use metlog_wire::span::{Kind, Status, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id};

/// Maps, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Those that are open.
#[derive(Debug, Default)]
pub(super) struct Spans {
    shards: [Mutex<HashMap<u64, Arc<Span>>>; SHARDS],
}

impl Spans {
    fn shard(&self, id: &Id) -> MutexGuard<'_, HashMap<u64, Arc<Span>>> {
        let number = id.into_u64();
        self.shards[number as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &Id) -> Option<Arc<Span>> {
        self.shard(id).get(&id.into_u64()).cloned()
    }

    /// Calls with an open span, while nothing is locked.
    pub(super) fn with(&self, id: &Id, call: impl FnOnce(&Span)) {
        if let Some(span) = self.get(id) {
            call(&span);
        }
    }

    pub(super) fn begin(&self, to: To, attributes: &Attributes<'_>, id: &Id, parent: Option<&Id>) {
        let metadata = attributes.metadata();
        let span = match parent.and_then(|parent| self.get(parent)) {
            Some(parent) => Span::start(to, Some(parent.context()), metadata.name()),
            None if attributes.is_root() => Span::start(to, None, metadata.name()),
            None => Span::start_here(to, metadata.name()),
        };
        if span.is_recording() {
            span.attribute("level", metadata.level().as_str()).attribute("code.namespace", metadata.target());
            attributes.record(&mut Described(&span));
        }
        self.shard(id).insert(id.into_u64(), Arc::new(span));
    }

    pub(super) fn link(&self, id: &Id, follows: &Id) {
        if let (Some(span), Some(follows)) = (self.get(id), self.get(follows)) {
            span.link(follows.context());
        }
    }

    /// Ends it, outside of the lock.
    pub(super) fn end(&self, id: &Id) {
        let ended = self.shard(id).remove(&id.into_u64());
        drop(ended);
    }
}

/// Makes attributes of fields.
pub(super) struct Described<'s>(pub(super) &'s Span);

impl Described<'_> {
    fn put(&self, field: &Field, value: Value<'_>) {
        let text = if let Value::Str(text) = value { text } else { "" };
        match field.name() {
            "otel.name" => drop_ref(self.0.rename(text)),
            "otel.kind" => drop_ref(self.0.kind(Kind::of_word(text).unwrap_or_default())),
            "otel.status_code" if text.eq_ignore_ascii_case("error") => drop_ref(self.0.set_status(Status::Error)),
            "otel.status_code" if text.eq_ignore_ascii_case("ok") => drop_ref(self.0.set_status(Status::Ok)),
            "otel.status_message" => drop_ref(self.0.set_status_message(text)),
            name => drop_ref(self.0.attribute(name, value)),
        }
    }
}

fn drop_ref(_: &Span) {}

impl Visit for Described<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Str(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, Value::Int(value)),
            Err(_) => self.put(field, Value::Str(&value.to_string())),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, Value::Str(&value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, Value::Str(&value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::Double(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::Str(&value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Str(&format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Client, Config, Destination, Kind, Layer, Status};
    use tracing_subscriber::layer::SubscriberExt;

    /// Guarantees: spans nest as they do in `tracing`, across threads and through the client's own spans; messages of events
    /// carry the ids of the span they are in.
    #[test]
    fn spans_become_spans() {
        let (destination, captured) = Destination::capture();
        let client = Client::new(Config::default().destination(destination).statsd(false)).unwrap();
        let subscriber = tracing_subscriber::registry().with(Layer::with_client(client.clone()).with_spans());
        let ours = client.span("ours");
        let outside = ours.context().span_id_text();
        tracing::subscriber::with_default(subscriber, || {
            let outer =
                tracing::info_span!("outer", n = 7, ok = true, late = tracing::field::Empty, otel.kind = "server");
            outer.in_scope(|| {
                tracing::info!("inside");
                let inner = tracing::debug_span!("inner", otel.name = "renamed", otel.status_code = "ERROR");
                inner.follows_from(&outer);
                drop(client.span("ours inside"));
                drop(inner);
            });
            outer.record("late", 2.5);
            drop(tracing::info_span!(parent: None, "root"));
        });
        drop(ours);
        assert!(client.flush());
        let spans = captured.spans();
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["ours inside", "renamed", "root", "outer", "ours"]);
        let [ours_inside, inner, root, outer, _] = spans.as_slice() else { panic!("{names:?}") };
        assert_eq!((&outer.parent_span_id, outer.kind), (&outside, Kind::Server));
        assert_eq!((&inner.parent_span_id, &ours_inside.parent_span_id), (&outer.span_id, &outer.span_id));
        assert_eq!((root.parent_span_id.as_str(), inner.status), ("0000000000000000", Status::Error));
        assert_eq!(inner.links, [(outer.trace_id.clone(), outer.span_id.clone())]);
        let attributes: Vec<String> = outer.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(attributes[0], "level=INFO");
        assert_eq!(attributes[2..], ["n=7", "ok=true", "late=2.5"]);
        let [message] = captured.messages().try_into().unwrap();
        assert_eq!(message.fields[1], ("span_id".to_owned(), outer.span_id.clone()));
    }

    #[test]
    fn without_being_asked_no_span_is_sent() {
        let (destination, captured) = Destination::capture();
        let client = Client::new(Config::default().destination(destination).statsd(false)).unwrap();
        let subscriber = tracing_subscriber::registry().with(Layer::with_client(client.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::info_span!("s").in_scope(|| tracing::info!("m")));
        assert!(client.flush());
        assert_eq!((captured.spans().len(), captured.messages().len()), (0, 1));
        assert!(captured.messages()[0].fields.is_empty());
    }
}
