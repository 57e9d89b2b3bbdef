//! One datagram, read.
use super::Kind;
use crate::format::statsd::{canonical, sanitise};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Metric<'a> {
    #[serde(borrow)]
    module: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    action: Action<'a>,
    labels: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    value: Value,
}

/// What a datagram says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    module: String,
    metric: String,
    /// [`Kind::Counter`] or [`Kind::Timer`].
    pub kind: Kind,
    /// Finite.
    pub value: f64,
    /// Sorted, and such as carbon takes them.
    pub tags: Vec<(String, String)>,
}

impl Reading {
    /// Reads a datagram.
    ///
    /// # Errors
    /// The reason of its refusal.
    pub fn of(datagram: &[u8]) -> Result<Reading, &'static str> {
        let metric: Metric<'_> = serde_json::from_slice(datagram).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => "oslo_bad_metric",
            _ => "not_json",
        })?;
        let part = |text: &str| sanitise(text).replace([';', '='], "_");
        let (module, name) = (part(&metric.module), part(&metric.name));
        if module.is_empty() || name.is_empty() {
            return Err("no_name");
        }
        let number = match &metric.action.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim_ascii().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        let (kind, value) = match (&*metric.action.action, &metric.action.value) {
            ("inc", Value::Null) => (Kind::Counter, Some(1.0)),
            ("inc", _) => (Kind::Counter, number),
            ("observe", _) => (Kind::Timer, number),
            _ => return Err("oslo_bad_action"),
        };
        let value = value.ok_or("bad_value")?;
        let mut reading = Reading { module, metric: name, kind, value, tags: tags(metric.labels)? };
        let (_, canonical) = canonical(reading.series().as_bytes(), b"").map_err(|refused| refused.reason())?;
        reading.tags = canonical;
        Ok(reading)
    }

    /// The name of its series.
    pub fn name(&self) -> String {
        format!("{}.{}", self.module, self.metric)
    }

    /// Name and tags in the one spelling that takes any value.
    fn series(&self) -> String {
        self.tags.iter().fold(self.name(), |series, (key, value)| format!("{series};{key}={value}"))
    }

    /// As [`super::OwnedSample`] has them.
    pub fn into_series(self) -> String {
        self.series()
    }

    /// Written again.
    pub fn to_json(&self) -> Value {
        let action = if self.kind == Kind::Counter { "inc" } else { "observe" };
        let labels: serde_json::Map<_, _> =
            self.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        json!({"module": self.module, "name": self.metric, "action": {"value": self.value, "action": action},
            "labels": labels})
    }
}

fn tags(labels: BTreeMap<String, Value>) -> Result<Vec<(String, String)>, &'static str> {
    let mut tags = Vec::with_capacity(labels.len());
    for (key, value) in labels {
        let value = match value {
            Value::Null => continue,
            Value::String(text) if text.trim().is_empty() => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return Err("oslo_bad_label"),
        };
        // What would end the tag in a name.
        tags.push((key.replace([';', '='], "_"), value.replace(';', "_")));
    }
    Ok(tags)
}
