//! A span while it lasts: who holds it may describe it, and it is sent when it is dropped.
use super::baggage::Item;
use super::context::Context;
use super::sampling::Sampling;
use super::{SPAN_PARTS_MAX, current, ids};
use crate::client::Emitter;
use crate::outcome::Outcome;
use crate::{global, origin};
use metlog_wire::span::{Kind, Status, Value};
use metlog_wire::v1::{Encoded, SpanDraft};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Instant;

/// OTLP's bits of a span's flags: it is known whether its parent is remote, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// A span as all who know of it share it.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) context: Context,
    /// `None`: the trace is not sampled, and only its ids are passed on.
    record: Option<Mutex<Record>>,
}

/// What is sent of it.
#[derive(Debug)]
struct Record {
    emitter: To,
    name: String,
    parent_span_id: [u8; 8],
    is_remote: bool,
    kind: Kind,
    status: Status,
    message: String,
    service: Option<String>,
    start: i64,
    started: Instant,
    attributes: Encoded,
    events: Encoded,
    links: Encoded,
    dropped: [u32; 3],
    is_ended: bool,
}

/// Through which client.
#[derive(Debug, Clone)]
pub(crate) enum To {
    /// That of the process, when it ends.
    Global,
    /// This one, while it exists.
    Client(Weak<Emitter>),
}

impl To {
    pub(crate) fn with<R>(&self, call: impl FnOnce(&Emitter) -> R) -> Option<R> {
        match self {
            To::Global => global::emitter().map(call),
            To::Client(client) => client.upgrade().map(|emitter| call(&emitter)),
        }
    }
}

/// A span, from its start to when it is dropped. It may be sent to other threads and held across `await`; what happens in
/// it belongs to it only while it is entered.
///
/// A span of a trace that is not sampled costs its ids, and is not sent.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct Span {
    active: Arc<Active>,
}

impl Span {
    /// A child of a span, or else the root of a new trace.
    pub(crate) fn start(to: To, parent: Option<&Context>, name: &str) -> Span {
        Span::start_with(to, parent, Vec::new(), name)
    }

    /// Likewise; a root carries this baggage, a child its parent's.
    pub(crate) fn start_with(to: To, parent: Option<&Context>, baggage: Vec<Item>, name: &str) -> Span {
        let sampling = to.with(|emitter| emitter.settings.sampling);
        let context = match parent {
            Some(parent) => Context {
                span_id: ids::span_id(),
                sampled: Some(parent.sampled.unwrap_or_else(|| sampling.is_some_and(Sampling::decide_late))),
                remote: false,
                ..parent.clone()
            },
            None => {
                let trace_id = ids::trace_id();
                let (sampled, trace_state) = sampling.map(|sampling| sampling.decide(trace_id)).unwrap_or_default();
                let (span_id, sampled) = (ids::span_id(), Some(sampled));
                let (random, debug, remote) = (true, false, false);
                Context { trace_id, span_id, sampled, random, debug, trace_state, baggage, remote }
            }
        };
        let record = (context.sampled == Some(true) && sampling.is_some()).then(|| {
            Mutex::new(Record {
                emitter: to,
                name: name.to_owned(),
                parent_span_id: parent.map_or([0; 8], |parent| parent.span_id),
                is_remote: parent.is_some_and(|parent| parent.remote),
                kind: Kind::Internal,
                status: Status::Unset,
                message: String::new(),
                service: None,
                start: origin::nanos(),
                started: Instant::now(),
                attributes: Encoded::default(),
                events: Encoded::default(),
                links: Encoded::default(),
                dropped: [0; 3],
                is_ended: false,
            })
        });
        Span { active: Arc::new(Active { context, record }) }
    }

    /// A child of the span that this thread is in, or else a root.
    pub(crate) fn start_here(to: To, name: &str) -> Span {
        let parent = current::active();
        Span::start(to, parent.as_ref().map(|active| &active.context), name)
    }

    /// Its identity, to be passed on.
    pub fn context(&self) -> &Context {
        &self.active.context
    }

    /// True if it will be sent. What is costly to describe need not be described otherwise.
    pub fn is_recording(&self) -> bool {
        self.active.record.is_some()
    }

    /// Another name.
    pub fn rename(&self, name: &str) -> &Self {
        self.change(|record| name.clone_into(&mut record.name))
    }

    /// What part it has in a call. Default: [`Kind::Internal`].
    pub fn kind(&self, kind: Kind) -> &Self {
        self.change(|record| record.kind = kind)
    }

    /// The service, where it is not the configured logger; at most 255 bytes.
    pub fn service(&self, service: &str) -> &Self {
        let service = &service[..service.floor_char_boundary(metlog_wire::limits::NAME_BYTES_MAX)];
        self.change(|record| record.service = Some(service.to_owned()))
    }

    /// How it ends, and why.
    pub fn status(&self, status: Status, message: &str) -> &Self {
        self.change(|record| {
            record.status = status;
            message.clone_into(&mut record.message);
        })
    }

    #[cfg(feature = "tracing")]
    pub(crate) fn set_status(&self, status: Status) -> &Self {
        self.change(|record| record.status = status)
    }

    #[cfg(feature = "tracing")]
    pub(crate) fn set_status_message(&self, message: &str) -> &Self {
        self.change(|record| message.clone_into(&mut record.message))
    }

    /// How it ends, where nobody has said that yet.
    #[cfg(feature = "tower")]
    pub(crate) fn status_unless_set(&self, status: Status, message: &str) -> &Self {
        self.change(|record| {
            if record.status == Status::Unset {
                record.status = status;
                message.clone_into(&mut record.message);
            }
        })
    }

    /// It failed, because of this.
    pub fn error(&self, why: impl std::fmt::Display) -> &Self {
        if self.is_recording() {
            self.status(Status::Error, &why.to_string());
        }
        self
    }

    /// Adds an attribute: a text, a number, a truth value, or bytes.
    pub fn attribute<'v>(&self, key: &str, value: impl Into<Value<'v>>) -> &Self {
        self.change(|record| match record.attributes.len() < SPAN_PARTS_MAX {
            true => record.attributes.attribute(key, value.into()),
            false => record.dropped[0] += 1,
        })
    }

    /// Something happens now.
    pub fn event(&self, name: &str) -> &Self {
        self.event_with(name, &[])
    }

    /// Something happens now, and has attributes.
    pub fn event_with(&self, name: &str, attributes: &[(&str, Value<'_>)]) -> &Self {
        self.change(|record| {
            if record.events.len() >= SPAN_PARTS_MAX {
                record.dropped[1] += 1;
                return;
            }
            let after = i64::try_from(record.started.elapsed().as_nanos()).unwrap_or(i64::MAX);
            record.events.event(after, name, attributes.iter().copied());
        })
    }

    /// It is related to another span, which need not be of the same trace.
    pub fn link(&self, to: &Context) -> &Self {
        self.change(|record| match record.links.len() < SPAN_PARTS_MAX {
            true => {
                let flags = u32::from(to.flags()) | HAS_IS_REMOTE | if to.remote { IS_REMOTE } else { 0 };
                record.links.link(to.trace_id, to.span_id, &to.trace_state, flags, std::iter::empty());
            }
            false => record.dropped[2] += 1,
        })
    }

    fn change(&self, change: impl FnOnce(&mut Record)) -> &Self {
        if let Some(record) = &self.active.record {
            change(&mut lock(record));
        }
        self
    }

    /// Enters it on this thread until the guard is dropped: spans that start meanwhile are its children, and messages carry
    /// its ids. Not across an `await`: for that there is [`Instrument`].
    pub fn enter(&self) -> Entered<'_> {
        self.enter_here();
        Entered { span: Held::Borrowed(self), of_this_thread: PhantomData }
    }

    pub(crate) fn enter_here(&self) {
        current::enter(self.active.clone());
    }

    pub(crate) fn leave_here(&self) {
        current::leave(&self.active);
    }

    /// Enters it until the guard is dropped, which also ends it.
    pub(crate) fn entered(self) -> Entered<'static> {
        self.enter_here();
        Entered { span: Held::Owned(self), of_this_thread: PhantomData }
    }

    /// Ends it now, and says what became of it. Dropping it does the same.
    pub fn end(self) -> Outcome {
        self.finish()
    }

    /// Ends it now, while others still hold it.
    #[cfg(feature = "tower")]
    pub(crate) fn end_here(&self) {
        self.finish();
    }

    fn finish(&self) -> Outcome {
        let Some(record) = &self.active.record else { return Outcome::SampledOut };
        let mut record = lock(record);
        if std::mem::replace(&mut record.is_ended, true) {
            return Outcome::Off;
        }
        record.send(&self.active.context)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    fn send(&self, context: &Context) -> Outcome {
        let duration = i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let remote = if self.is_remote { IS_REMOTE } else { 0 };
        let draft = SpanDraft {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent_span_id: self.parent_span_id,
            start_unix_nanos: self.start,
            duration_nanos: duration,
            flags: u32::from(context.flags()) | HAS_IS_REMOTE | remote,
            kind: self.kind,
            status: self.status,
            status_message: &self.message,
            name: &self.name,
            trace_state: &context.trace_state,
            service: self.service.as_deref(),
            attributes: Some(&self.attributes),
            events: Some(&self.events),
            links: Some(&self.links),
            dropped: self.dropped,
            ..SpanDraft::default()
        };
        self.emitter.with(|emitter| emitter.pipes.current().push_span(&draft)).unwrap_or(Outcome::Off)
    }
}

#[derive(Debug)]
enum Held<'s> {
    Borrowed(&'s Span),
    Owned(Span),
}

/// A span that this thread is in until it is dropped.
#[derive(Debug)]
#[must_use = "the span is left when this is dropped"]
pub struct Entered<'s> {
    span: Held<'s>,
    /// It must be dropped on the thread that it was made on.
    of_this_thread: PhantomData<*const ()>,
}

impl Deref for Entered<'_> {
    type Target = Span;

    fn deref(&self) -> &Span {
        match &self.span {
            Held::Borrowed(span) => span,
            Held::Owned(span) => span,
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.leave_here();
    }
}

/// Futures within a span.
pub trait Instrument: Future + Sized {
    /// The future, in this span whenever it is polled and on whichever thread; the span ends with it.
    fn in_span(self, span: Span) -> Instrumented<Self> {
        Instrumented { future: Box::pin(self), span }
    }
}

impl<F: Future> Instrument for F {}

/// A future in a span. Made by [`Instrument::in_span`].
#[derive(Debug)]
pub struct Instrumented<F> {
    /// In a box: pinned there, so that no code has to be unsafe.
    future: Pin<Box<F>>,
    span: Span,
}

impl<F> Instrumented<F> {
    /// Its span.
    pub fn span(&self) -> &Span {
        &self.span
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.span.enter();
        this.future.as_mut().poll(task)
    }
}
