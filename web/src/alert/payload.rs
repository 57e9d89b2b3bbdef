//! Alerts as Alertmanager writes them: the body of its webhook (version 4), and the list that its own API takes.
use super::state::{Alert, Phase};
use crate::range::Micros;
use metlog_schemas::time::rfc3339;
use serde_json::{Map, Value, json};

/// What stands for an end that has not come.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// Where a rule is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Of the server, without a slash at its end: `https://logs.example`.
    pub url: String,
    /// The rule's name.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its severity.
    pub severity: String,
}

fn labels(origin: &Origin, alert: &Alert) -> Map<String, Value> {
    let mut labels: Map<String, Value> =
        alert.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    labels.insert("alertname".to_owned(), origin.title.clone().into());
    labels.insert("rule".to_owned(), origin.rule.clone().into());
    labels.entry("severity").or_insert_with(|| origin.severity.clone().into());
    labels
}

fn annotations(alert: &Alert) -> Value {
    let mut annotations = json!({ "summary": alert.summary });
    if let Some(value) = alert.value {
        annotations["value"] = value.to_string().into();
    }
    annotations
}

/// A number that is the same for the same labels: FNV-1a.
fn fingerprint(labels: &Map<String, Value>) -> String {
    let bytes = Value::from(labels.clone()).to_string();
    let hash = bytes
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

fn generator(origin: &Origin) -> String {
    format!("{}/reports/{}", origin.url, origin.rule)
}

/// What all have in common.
fn common(of: &[Value], key: &str) -> Map<String, Value> {
    let mut maps = of.iter().filter_map(|alert| alert[key].as_object());
    let Some(mut common) = maps.next().cloned() else { return Map::new() };
    for map in maps {
        common.retain(|name, value| map.get(name) == Some(value));
    }
    common
}

fn status(phase: Phase) -> &'static str {
    if phase == Phase::Resolved { "resolved" } else { "firing" }
}

/// The body of a webhook for alerts of one rule.
pub fn webhook(origin: &Origin, alerts: &[&Alert]) -> Value {
    let all: Vec<Value> = alerts
        .iter()
        .map(|alert| {
            let labels = labels(origin, alert);
            json!({
                "status": status(alert.phase), "fingerprint": fingerprint(&labels), "labels": labels,
                "annotations": annotations(alert), "startsAt": rfc3339(alert.since),
                "endsAt": alert.until.map_or_else(|| NO_END.to_owned(), rfc3339), "generatorURL": generator(origin),
            })
        })
        .collect();
    let is_firing = alerts.iter().any(|alert| alert.phase == Phase::Firing);
    let group = json!({ "alertname": origin.title });
    json!({
        "version": "4", "groupKey": format!("{{}}:{{rule={:?}}}", origin.rule), "truncatedAlerts": 0,
        "status": if is_firing { "firing" } else { "resolved" }, "receiver": "metlog", "groupLabels": group,
        "commonLabels": common(&all, "labels"), "commonAnnotations": common(&all, "annotations"),
        "externalURL": origin.url, "alerts": all,
    })
}

/// The body for `/api/v2/alerts` of an Alertmanager; what is firing ends at `end` unless it is told again.
pub fn for_alertmanager(origin: &Origin, alerts: &[&Alert], end: Micros) -> Value {
    let one = |alert: &&Alert| {
        json!({
            "labels": labels(origin, alert), "annotations": annotations(alert), "startsAt": rfc3339(alert.since),
            "endsAt": rfc3339(alert.until.unwrap_or(end)), "generatorURL": generator(origin),
        })
    };
    alerts.iter().map(one).collect()
}
