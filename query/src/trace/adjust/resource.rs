//! Attributes that describe the SDK belong to the resource; bridges of OpenTracing put them on spans.
use crate::trace::{Attribute, Resource, Trace, value_of};
use std::sync::Arc;

const KEYS: [&str; 5] = [
    "telemetry.sdk.language",
    "telemetry.sdk.name",
    "telemetry.sdk.version",
    "telemetry.distro.name",
    "telemetry.distro.version",
];

/// Moves them; one that contradicts the resource stays where it is, with a warning.
pub(super) fn move_attributes(trace: &mut Trace) {
    for span in &mut trace.spans {
        if !span.attributes.iter().any(|attribute| KEYS.contains(&attribute.key.as_str())) {
            continue;
        }
        let mut kept = Vec::with_capacity(span.attributes.len());
        for attribute in std::mem::take(&mut span.attributes) {
            if !KEYS.contains(&attribute.key.as_str()) {
                kept.push(attribute);
            } else if let Some(attribute) = moved(&mut span.resource, attribute) {
                let key = &attribute.key;
                span.warnings.push(format!("conflicting values between Span and Resource for attribute {key}"));
                kept.push(attribute);
            }
        }
        span.attributes = kept;
    }
}

/// Gives back what cannot be moved.
fn moved(resource: &mut Arc<Resource>, attribute: Attribute) -> Option<Attribute> {
    match value_of(&resource.attributes, &attribute.key) {
        Some(value) if *value != attribute.value => return Some(attribute),
        Some(_) => (),
        None => Arc::make_mut(resource).attributes.push(attribute),
    }
    None
}
