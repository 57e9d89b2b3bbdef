//! Alerts: what is firing, what is about to, and rules that cannot be evaluated.
use crate::alert::{Alert, Alerts, Phase, Seen};
use crate::cell::time;
use crate::text::visible;
use maud::{Markup, html};

/// Alerts that are listed.
const ALERTS_MAX: usize = 50;

/// Firing first, then pending.
fn order(phase: Phase) -> u8 {
    match phase {
        Phase::Firing => 0,
        Phase::Pending => 1,
        Phase::Resolved => 2,
    }
}

fn badge(phase: Phase) -> Markup {
    match phase {
        Phase::Firing => html! { span.badge.bad { "firing" } },
        Phase::Pending => html! { span.badge.warn { "pending" } },
        Phase::Resolved => html! { span.badge.good { "over" } },
    }
}

/// The card; nothing where there is no rule.
pub(super) fn card(alerts: &Alerts) -> Markup {
    let (seen, webhook_error) = (alerts.seen(), alerts.webhook_error());
    let mut all: Vec<(&Seen, &Alert)> =
        seen.iter().flat_map(|rule| rule.alerts.iter().map(move |alert| (rule, alert))).collect();
    all.sort_by_key(|(_, alert)| (order(alert.phase), alert.since));
    let firing = all.iter().filter(|(_, alert)| alert.phase == Phase::Firing).count();
    let more = all.len().saturating_sub(ALERTS_MAX);
    all.truncate(ALERTS_MAX);
    html! {
        @if !seen.is_empty() || webhook_error.is_some() {
            section.card #alerts {
                div.card-head { h2 { "Alerts" } span.note { (seen.len()) " rules, " (firing) " firing" } }
                @if let Some(why) = &webhook_error {
                    p { span.badge.bad { "webhook" } " " span.note { "What changed is told again until it is accepted: " (visible(why)) } }
                }
                @if all.is_empty() { p.note { "No rule is beyond its threshold." } } @else {
                    div.scroll tabindex="0" role="region" aria-label="Alerts" { table.data {
                        thead { tr { th scope="col" { "state" } th scope="col" { "alert" } th scope="col" { "of" } th scope="col" { "since" } } }
                        tbody { @for (rule, alert) in &all { tr {
                            td { (badge(alert.phase)) }
                            td { a href={ "/reports/" (percent_encoding::utf8_percent_encode(&rule.rule, percent_encoding::NON_ALPHANUMERIC)) } { (visible(&alert.summary)) } }
                            td { @for (name, value) in &alert.labels { code { (visible(name)) "=" (visible(value)) } " " } }
                            td { (time(alert.since)) }
                        } } }
                    } }
                    @if more > 0 { p.note { (more) " more" } }
                }
            }
        }
    }
}
