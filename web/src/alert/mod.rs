//! Alerts: reports with a threshold, evaluated again and again, told to a webhook and shown on the overview.
//!
//! `rule` reads a report's `[alert]`, `instances` finds what is beyond its threshold in its rows, `state` decides what is
//! pending, firing and over, `payload` says so as Alertmanager does, `watch` runs all of it and keeps it on disk. All but
//! `watch` is pure; time is an argument.
//!
//! **Invariants.** What the webhook has not accepted is sent again, also after a restart. A rule that cannot be read or
//! evaluated is itself an alert; while that is so, its other alerts stay as they are.
mod instances;
mod payload;
mod rule;
mod state;
#[cfg(test)]
mod tests;
mod watch;

pub use rule::{Rule, RuleError};
pub use state::{Alert, Phase};
pub use watch::{Alerts, Config, Seen};
