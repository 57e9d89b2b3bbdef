//! The client library of metlog: messages and statsd values from an application, fire and forget.
//!
//! [`init`] once, then call [`send`], [`message`], [`incr`], [`timer`] and the others from anywhere. No call
//! blocks on network or disk, panics, or fails its host. A message that cannot be queued is reported as an [`Outcome`],
//! which may be ignored, is counted in [`Stats`], and is reported to the listener in the next datagram's header.
//!
//! ```
//! use metlog::{Config, Destination, Outcome, Severity};
//!
//! // A service sets its listener: `.destination("127.0.0.1:5565")`; a test captures what is sent.
//! let (destination, captured) = Destination::capture();
//! let config = Config::default().logger("sync").destination(destination.clone()).statsd_destination(destination);
//! let guard = metlog::init(config)?;
//!
//! metlog::send(["browserid", "login"], "user 25");
//! metlog::message("bad password").of_type("login").severity(Severity::WARNING).field("userid", 25).send();
//! metlog::incr("logins");
//! let result = metlog::time("work", || 6 * 7);
//!
//! drop(guard); // sends everything queued
//! assert_eq!(result, 42);
//! assert_eq!(captured.messages()[1].fields, [("userid".to_string(), "25".to_string())]);
//! assert_eq!(captured.statsd_lines()[0], "logins:1|c");
//! assert_eq!(metlog::send(["too", "late"], ""), Outcome::Off);
//! # Ok::<(), metlog::ConfigError>(())
//! ```
//!
//! # The configuration file
//! ```toml
//! [metlog]
//! destinations = ["127.0.0.1:5565", "unix:/run/metlog.sock"] # each datagram goes to all of them
//! statsd_destination = "127.0.0.1:8125"
//! statsd = true                  # false: no statsd is sent
//! statsd_prefix = "sync"         # each statsd name becomes `sync.<name>`
//! statsd_datagram_bytes = 1432
//! logger = "sync"
//! severity = 6                   # default severity of messages
//! type = "metlog"                # default type of messages
//! hostname = "web1"              # default: the kernel's
//! datagram_bytes = 1432          # 512 across the internet, 8932 in jumbo frames, 65507 on loopback
//! queue_bytes = 1048576          # memory for queued messages
//! key_id = "web"                 # with `key`: datagrams of messages are signed
//! key = "a shared secret"         # or `hex:` and hexadecimal digits
//! disabled_timers = ["slow.one"] # or ["*"]
//!
//! sampling = 1.0                 # share of the traces that begin here which are sent
//!
//! [metlog.filters]               # of messages
//! severity_max = 6               # filters out less urgent messages
//! type_blacklist = ["debug"]
//! type_whitelist = ["login", "metlog"]
//! type_severity_max = { login = 4 }
//! ```
//! Environment variables can set them too: [`Config::with_env`].
//!
//! # Spans
//! ```
//! let (destination, captured) = metlog::Destination::capture();
//! let guard = metlog::init(metlog::Config::default().logger("shop").destination(destination).statsd(false))?;
//!
//! // A request comes in: its span is a child of the caller's, if the headers say who that is.
//! let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
//! let request = metlog::span_of(metlog::Context::extract(headers).as_ref(), "GET /cart");
//! request.kind(metlog::Kind::Server).attribute("http.route", "/cart");
//! {
//!     let query = metlog::span("select"); // a child of the request, until it is dropped
//!     query.attribute("rows", 3).event("retry");
//!     metlog::send(["db"], "slow"); // carries the ids of trace and span
//!     query.context().inject(metlog::Format::W3c, |name, value| println!("{name}: {value}"));
//! }
//! drop(request);
//! drop(guard);
//! assert_eq!(captured.spans().len(), 2);
//! # Ok::<(), metlog::ConfigError>(())
//! ```
//! Spans nest through a thread. For tasks there is [`Instrument::in_span`]; to hold a span without being in it,
//! [`start_span`]. [`Sampling`] decides at the root of a trace, for all of it.
//!
//! # What happens to a message
//! The calling thread encodes it straight into the datagram that will carry it, under a mutex that is never held
//! while anything is sent. A sender thread checks the queue every 20 ms. The memory for datagrams is allocated at the
//! start; when it is full, messages are dropped and counted. A process that ends without dropping the [`Guard`]
//! loses what is still queued. In a forked child the first call starts a queue, a sender thread and an identity of its
//! own. Do not call this library from signal handlers.
//!
//! Deliberately absent: retries (the listener sees each lost datagram as a gap), an async runtime, and anything
//! that a listener can do as well.
//!
//! # Features
//! None is on by default: `tracing` (a layer for its subscribers), `log` (a logger), `metrics` (a recorder), `tower` (layers for
//! axum, hyper and tonic) and `cadence` (its own client over our queue). The README says more, also how to move here.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod capture;
mod client;
mod config;
mod destination;
mod filter;
mod global;
#[cfg(feature = "tracing")]
mod layer;
mod message;
mod origin;
mod outcome;
mod pipe;
#[cfg(feature = "metrics")]
mod recorder;
#[cfg(feature = "log")]
mod records;
mod slot;
mod statsd;
mod text;
#[cfg(feature = "tower")]
pub mod tower;
mod trace;

#[cfg(feature = "cadence")]
pub use cadence;
pub use capture::{Captured, CapturedSpan};
pub use client::{CLOSE_WAIT, Client};
pub use config::{Config, ConfigError, QUEUE_BYTES_DEFAULT, QUEUE_DATAGRAMS_MIN, TYPE_DEFAULT};
pub use destination::{Destination, MalformedDestination};
pub use filter::Filters;
#[cfg(feature = "cadence")]
pub use global::statsd;
pub use global::{
    Guard, count, count_with_rate, flush, gauge, gauge_delta, gauge_with_rate, incr, incr_with_rate, init, message,
    send, set, set_with_rate, span, span_of, start_span, start_span_of, stats, time, timer, timer_with_rate, timing,
    timing_with_rate,
};
#[cfg(feature = "tracing")]
pub use layer::{LAYER_TYPE_DEFAULT, Layer};
pub use message::{MessageBuilder, Value};
pub use metlog_wire::span::{Kind, Status, Value as SpanValue};
pub use metlog_wire::v1::{Pair, Ping, Probe};
pub use metlog_wire::{Message, Severity};
pub use outcome::{Outcome, Stats};
#[cfg(feature = "metrics")]
pub use recorder::{RECORDER_SERIES_MAX, Recorder};
#[cfg(feature = "log")]
pub use records::{LOG_TYPE_DEFAULT, Log};
pub use statsd::{Number, Timer};
pub use trace::{
    Context, Entered, Format, Instrument, Instrumented, SPAN_PARTS_MAX, Sampling, Span, current as current_context,
};

/// The README's examples.
#[cfg(all(doctest, feature = "tracing", feature = "log", feature = "metrics", feature = "tower"))]
#[doc = include_str!("../README.md")]
mod readme {}
