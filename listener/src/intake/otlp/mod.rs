//! OTLP: traces, logs and metrics, over gRPC and over HTTP. A request is judged as a whole before it is journaled, span
//! by span afterwards, and is answered when it is on disk.
mod grpc;
mod http;

pub use grpc::GRPC;
pub use http::HTTP;

use super::inflate::{Encoding, Refused, inflate};
use super::submit::{Room, Submit, Unavailable, Whole};
use crate::pipeline::Source;
use metlog_schemas::format::otlp::proto::put_bytes;
use metlog_schemas::format::otlp::proto::put_number;
use metlog_schemas::format::otlp::{self, Signal, json};

/// Longest request, before it is compressed: what the OpenTelemetry Collector takes over HTTP.
pub const REQUEST_BYTES_MAX: usize = 20 << 20;
/// Reasons that a response names.
const REASONS_MAX: usize = 8;
/// The reason of a request that cannot be read at all.
const UNREADABLE: &str = "otlp_unreadable";

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// Why nothing of a request was taken.
#[derive(Debug)]
enum Failed {
    /// It is longer than allowed.
    TooLong,
    /// It cannot be read.
    Invalid(String),
    /// It may be sent again.
    Unavailable(Unavailable),
}

impl From<Unavailable> for Failed {
    fn from(unavailable: Unavailable) -> Failed {
        Failed::Unavailable(unavailable)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Failed {
        match refused {
            Refused::TooLong => Failed::TooLong,
            Refused::Invalid(why) => Failed::Invalid(format!("the body cannot be inflated: {why}")),
            Refused::Unavailable(unavailable) => Failed::Unavailable(unavailable),
        }
    }
}

/// A request as it came.
#[derive(Debug)]
struct Received {
    signal: Signal,
    form: Form,
    encoding: Encoding,
    bytes: Vec<u8>,
}

/// Takes a request; returns when it is on disk. One that can never be taken is counted as one message.
async fn export(submit: &Submit, received: Received, source: Source, room: Room) -> Result<Whole, Failed> {
    let signal = received.signal;
    let exported = submit.submit_whole(signal.code(), source, room, move |room| to_journal(received, room)).await;
    match &exported {
        Err(Failed::TooLong) => submit.refuse("otlp_too_long", source, b""),
        Err(Failed::Invalid(_)) => submit.refuse(UNREADABLE, source, b""),
        _ => (),
    }
    exported
}

/// The protobuf of a request, whose outer structure is good.
fn to_journal(received: Received, room: &mut Room) -> Result<Vec<u8>, Failed> {
    let Received { signal, form, encoding, bytes } = received;
    let mut bytes = inflate(encoding, bytes, REQUEST_BYTES_MAX, room)?;
    if form == Form::Json {
        room.reach(3 * bytes.len())?;
        bytes = json::to_protobuf(signal.request(), &bytes).map_err(|invalid| Failed::Invalid(invalid.0))?;
    }
    match otlp::count(signal, &bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(Failed::Invalid("the body is no such request in protobuf".to_owned())),
    }
}

/// What a response says of what was refused: how many, and why. `None` where nothing was.
fn partial(whole: &Whole) -> Option<(u64, String)> {
    let rejected = whole.rejected.iter().map(|(_, count)| count).sum();
    let listed = whole.rejected.iter().take(REASONS_MAX).map(|(reason, count)| format!("{count} {reason}"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    (rejected > 0).then(|| (rejected, format!("rejected for good: {listed}")))
}

/// A response in protobuf.
fn response(whole: &Whole) -> Vec<u8> {
    let mut response = Vec::new();
    if let Some((rejected, message)) = partial(whole) {
        let mut partial = Vec::new();
        put_number(1, rejected, &mut partial);
        put_bytes(2, message.as_bytes(), &mut partial);
        put_bytes(1, &partial, &mut response);
    }
    response
}

/// The name that JSON has for what was refused of a signal.
fn rejected_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
    }
}
