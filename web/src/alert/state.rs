//! What is pending, firing and over, and what of it the webhook has accepted.
use super::instances::Labels;
use super::rule::Rule;
use crate::range::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the file.
const VERSION: u32 = 1;

/// Where an alert is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Beyond its threshold, but not for long enough.
    Pending,
    /// Somebody is told.
    Firing,
    /// It was firing, and is not any more.
    Resolved,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What tells it from others of its rule.
    pub labels: Labels,
    /// What the rule says of it.
    pub summary: String,
    /// The last value; none where the rule could not be evaluated.
    pub value: Option<f64>,
    /// Where it is.
    pub phase: Phase,
    /// Since when it has been beyond its threshold, µs since 1970 UTC.
    pub since: Micros,
    /// When it was over.
    #[serde(default)]
    pub until: Option<Micros>,
    /// The phase that the webhook accepted last, and when.
    #[serde(default)]
    pub told: Option<(Phase, Micros)>,
}

/// What is known of a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OfRule {
    /// Its report's title.
    pub title: String,
    /// When it was evaluated last.
    #[serde(default)]
    pub evaluated: Option<Micros>,
    /// Why it cannot be evaluated.
    #[serde(default)]
    pub error: Option<String>,
    /// Its alerts, by a text of their labels.
    #[serde(default)]
    pub alerts: BTreeMap<String, Alert>,
}

/// Everything that is kept over a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Of the file.
    #[serde(default)]
    pub version: u32,
    /// By name of the rule.
    #[serde(default)]
    pub rules: BTreeMap<String, OfRule>,
}

/// The key of the alert that a rule cannot be evaluated: no labels make this text.
const BROKEN: &str = "broken";

fn key_of(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}\u{1f}{value}\u{1e}")).collect()
}

impl State {
    /// Nothing is known.
    pub fn new() -> State {
        State { version: VERSION, rules: BTreeMap::new() }
    }

    /// A rule was evaluated: what is beyond its threshold.
    pub fn evaluated(&mut self, rule: &Rule, instances: BTreeMap<Labels, f64>, now: Micros) {
        let known = self.rules.entry(rule.name.clone()).or_default();
        known.title.clone_from(&rule.title);
        (known.evaluated, known.error) = (Some(now), None);
        let mut seen = Vec::new();
        for (labels, value) in instances {
            let key = key_of(&labels);
            seen.push(key.clone());
            let summary = format!("{}: {}", rule.title, shown(value));
            let begin = || Alert {
                labels,
                summary: String::new(),
                value: None,
                phase: Phase::Pending,
                since: now,
                until: None,
                told: None,
            };
            let alert = known.alerts.entry(key).or_insert_with(begin);
            if alert.phase == Phase::Resolved {
                // Nobody has heard yet that it was over: for them it goes on.
                (alert.phase, alert.until) = (Phase::Firing, None);
            }
            (alert.value, alert.summary) = (Some(value), summary);
            if alert.phase == Phase::Pending && now - alert.since >= rule.hold {
                alert.phase = Phase::Firing;
            }
        }
        known.end(|key| !seen.iter().any(|seen| seen == key), now);
    }

    /// A rule cannot be read or evaluated: its own alerts stay, and this is one.
    pub fn failed(&mut self, name: &str, title: &str, why: &str, now: Micros) {
        let known = self.rules.entry(name.to_owned()).or_default();
        known.title = title.to_owned();
        (known.evaluated, known.error) = (Some(now), Some(why.to_owned()));
        let labels = Labels::from([("problem".to_owned(), "rule_cannot_be_evaluated".to_owned())]);
        let begin = || Alert {
            labels,
            summary: String::new(),
            value: None,
            phase: Phase::Firing,
            since: now,
            until: None,
            told: None,
        };
        let alert = known.alerts.entry(BROKEN.to_owned()).or_insert_with(begin);
        if alert.phase != Phase::Firing {
            (alert.phase, alert.since, alert.until) = (Phase::Firing, now, None);
        }
        alert.summary = format!("{title} cannot be evaluated: {why}");
    }

    /// Only these rules exist; alerts of others are over.
    pub fn keep_rules(&mut self, names: &[&str], now: Micros) {
        for (_, known) in self.rules.iter_mut().filter(|(name, _)| !names.contains(&name.as_str())) {
            known.error = None;
            known.end(|_| true, now);
        }
        self.rules.retain(|name, known| names.contains(&name.as_str()) || !known.alerts.is_empty());
    }

    /// The webhook has accepted these alerts in these phases.
    pub fn told(&mut self, rule: &str, told: &[(String, Phase)], now: Micros) {
        let Some(known) = self.rules.get_mut(rule) else { return };
        for (key, phase) in told {
            if let Some(alert) = known.alerts.get_mut(key) {
                alert.told = Some((*phase, now));
            }
        }
        let is_done = |alert: &Alert| {
            alert.phase == Phase::Resolved && alert.told.is_some_and(|(phase, _)| phase == Phase::Resolved)
        };
        known.alerts.retain(|_, alert| !is_done(alert));
    }

    /// Rules with alerts that the webhook must hear of: those that changed, and those that are firing and were told
    /// longer ago than `again`.
    pub fn untold(&self, now: Micros, again: Micros) -> Vec<(&str, Vec<(&String, &Alert)>)> {
        let must = |alert: &Alert| match (alert.phase, alert.told) {
            (Phase::Pending, _) => false,
            (Phase::Firing | Phase::Resolved, None) => true,
            (phase, Some((told, at))) => phase != told || (phase == Phase::Firing && now - at >= again),
        };
        self.rules
            .iter()
            .filter_map(|(name, known)| {
                let alerts: Vec<_> = known.alerts.iter().filter(|(_, alert)| must(alert)).collect();
                (!alerts.is_empty()).then_some((name.as_str(), alerts))
            })
            .collect()
    }
}

impl OfRule {
    /// Alerts that are over: nobody was told of a pending one, and needs to be.
    fn end(&mut self, is_over: impl Fn(&str) -> bool, now: Micros) {
        for (_, alert) in self.alerts.iter_mut().filter(|(key, alert)| is_over(key) && alert.phase != Phase::Resolved) {
            (alert.phase, alert.until) = (Phase::Resolved, Some(now));
        }
        self.alerts.retain(|_, alert| {
            let was_told = alert.told.is_some_and(|(phase, _)| phase == Phase::Firing);
            alert.phase != Phase::Resolved || was_told
        });
    }
}

/// A value for people.
fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value}") } else { format!("{value:.6}") }
}
