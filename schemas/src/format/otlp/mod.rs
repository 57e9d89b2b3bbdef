//! What the formats of OTLP share: reading and writing protobuf without a tree of objects, the messages of OTLP, and JSON.
//!
//! A request is journaled as protobuf, whatever it came as: JSON is rewritten first, so there is one decoder.
pub mod json;
pub mod messages;
pub mod proto;
mod redact;
pub mod value;

pub use redact::redact;

use proto::{Cursor, Malformed, Value};

/// Deepest nesting of messages that is read, as in other readers of protobuf.
pub const DEPTH_MAX: usize = 100;

/// What of OpenTelemetry a request brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Data points of metrics.
    Metrics,
}

impl Signal {
    /// The code of its journal records.
    pub const fn code(self) -> u8 {
        match self {
            Signal::Traces => 20,
            Signal::Logs => 21,
            Signal::Metrics => 22,
        }
    }

    /// The message of its requests.
    pub fn request(self) -> &'static messages::Message {
        match self {
            Signal::Traces => &messages::TRACES_REQUEST,
            Signal::Logs => &messages::LOGS_REQUEST,
            Signal::Metrics => &messages::METRICS_REQUEST,
        }
    }
}

/// Checks the outer structure of a request, down to each span or log record, and counts those; of metrics, the data
/// points. What is wrong inside of one is found by decoding it, and refuses that one alone.
///
/// # Errors
/// Where it is no such request.
pub fn count(signal: Signal, request: &[u8]) -> Result<u64, Malformed> {
    let mut items = 0;
    each(request, 1, |resource| {
        items += count_in(signal, resource)?;
        Ok(())
    })?;
    Ok(items)
}

/// The same of one resource of a request and what it brings.
///
/// # Errors
/// Where it is none.
pub fn count_in(signal: Signal, resource: &[u8]) -> Result<u64, Malformed> {
    let mut items = 0;
    each(resource, 2, |scope| {
        each(scope, 2, |item| {
            items += if signal == Signal::Metrics { points(item)? } else { 1 };
            Ok(())
        })
    })?;
    Ok(items)
}

/// Hands over each message of a field.
///
/// # Errors
/// Where it is no protobuf, or the field is no message.
pub fn each<'a>(
    message: &'a [u8],
    field: u32,
    mut with: impl FnMut(&'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(message);
    while let Some((number, value)) = cursor.next()? {
        match value {
            Value::Bytes(bytes) if number == field => with(bytes)?,
            _ if number == field => return Err(Malformed),
            _ => (),
        }
    }
    Ok(())
}

/// Data points of a metric, whichever kind it is.
///
/// # Errors
/// Where it is no metric.
pub fn points(metric: &[u8]) -> Result<u64, Malformed> {
    let mut points = 0;
    let mut cursor = Cursor::new(metric);
    while let Some((number, value)) = cursor.next()? {
        if let (5 | 7 | 9 | 10 | 11, Value::Bytes(data)) = (number, value) {
            each(data, 1, |_| {
                points += 1;
                Ok(())
            })?;
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_by_their_outer_structure() {
        // resource_spans { scope_spans { spans { 0xff } spans {} } scope_spans {} }, and an unknown field.
        let request = [0x0a, 0x0b, 0x12, 0x05, 0x12, 0x01, 0xff, 0x12, 0x00, 0x12, 0x00, 0x18, 0x07, 0x78, 0x01];
        assert_eq!(count(Signal::Traces, &request), Ok(2));
        assert_eq!(count(Signal::Traces, b""), Ok(0));
        for bad in [&b"\xff\xff\xff"[..], b"\x0a\x05", b"\x0a\x02\x12\x09", b"\x08\x01", b"{\"resourceSpans\":[]}"] {
            assert_eq!(count(Signal::Traces, bad), Err(Malformed), "{bad:x?}");
        }
        // resource_metrics { scope_metrics { metrics { gauge { data_points {} data_points {} } sum { data_points {} } } } }
        let metric = [0x2a, 0x04, 0x0a, 0x00, 0x0a, 0x00, 0x3a, 0x02, 0x0a, 0x00];
        let request = [&[0x0a, 0x0e, 0x12, 0x0c, 0x12, 0x0a][..], &metric].concat();
        assert_eq!(count(Signal::Metrics, &request), Ok(3));
    }
}
