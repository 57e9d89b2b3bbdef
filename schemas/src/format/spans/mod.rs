//! Spans of any format after rules of privacy: their own bytes are not written again, but what they came to, as OTLP, with
//! what OTLP has no field for. So one code serves the rules of all formats, and what no rule is about stays as it was.
//!
//! Also what these formats show to an operator.
mod format;
mod redact;
#[cfg(test)]
mod tests;

pub use format::Spans;
pub(super) use redact::redact;

use super::{Decoded, Entry, Format};
use crate::rows::MessageRows;
use crate::span::SpanRows;
use crate::span::proto::TracesData;
use serde_json::{Value, json};

/// Remembers nothing from one datagram to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(super) fn begin(&mut self) {}
}

/// What is journaled.
#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<Span>,
}

/// One span.
#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    /// The span alone, with its resource and scope.
    #[prost(message, optional, tag = "1")]
    traces: Option<TracesData>,
    /// The format that it came in.
    #[prost(string, tag = "2")]
    source: String,
    #[prost(message, repeated, tag = "3")]
    extras: Vec<Extra>,
    #[prost(double, optional, tag = "4")]
    sampling_probability: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Extra {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Decodes a datagram by itself.
fn decoded<F: Format>(datagram: &[u8], received_at: i64) -> Decoded {
    let (mut scratch, mut out) = (super::Scratch::default(), Decoded::default());
    F::decode(datagram, Entry { index: 0, received_at }, &mut scratch, &mut out);
    out
}

/// Each row that a datagram becomes, and what of it is refused.
///
/// # Errors
/// If nothing of it can be read, the reason.
pub(super) fn describe<F: Format>(datagram: &[u8]) -> Result<Vec<Value>, String> {
    let mut out = decoded::<F>(datagram, 0);
    let batches = [out.rows.of::<SpanRows>().finish(), out.rows.of::<MessageRows>().finish()];
    let mut values = Vec::new();
    for batch in batches {
        let mut writer = arrow::json::ArrayWriter::new(Vec::new());
        let batch = batch.map_err(|error| error.to_string())?;
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
        let rows: Option<Vec<Value>> = serde_json::from_slice(&writer.into_inner()).ok();
        values.extend(rows.unwrap_or_default());
    }
    if values.is_empty()
        && let Some((reason, _)) = out.counts.rejected.first()
    {
        return Err((*reason).to_owned());
    }
    values.extend(out.counts.rejected.iter().map(|(reason, count)| json!({"refused": reason, "count": count})));
    Ok(values)
}
