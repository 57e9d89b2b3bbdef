//! Old clients send IPv4 addresses as numbers.
use crate::trace::{Attribute, Trace, Value};
use std::net::Ipv4Addr;
use std::sync::Arc;

const KEYS: [&str; 2] = ["ip", "peer.ipv4"];

/// Writes them with dots.
pub(super) fn write_with_dots(trace: &mut Trace) {
    for span in &mut trace.spans {
        span.attributes.iter_mut().for_each(adjust);
        if span.resource.attributes.iter().any(|attribute| dotted(attribute).is_some()) {
            Arc::make_mut(&mut span.resource).attributes.iter_mut().for_each(adjust);
        }
    }
}

fn adjust(attribute: &mut Attribute) {
    if let Some(text) = dotted(attribute) {
        attribute.value = Value::Text(text);
    }
}

fn dotted(attribute: &Attribute) -> Option<String> {
    if !KEYS.contains(&attribute.key.as_str()) {
        return None;
    }
    let number = match attribute.value {
        Value::Int(number) => number,
        Value::Double(number) if number.fract() == 0.0 && number.abs() <= f64::from(u32::MAX) => number as i64,
        _ => return None,
    };
    // Signed 32 bits are as common as unsigned ones.
    let bits = u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))?;
    Some(Ipv4Addr::from(bits).to_string())
}
