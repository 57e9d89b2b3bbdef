//! One word for the state and, where it is not good, what is wrong, since when, and where to read about it.
use super::REJECTED;
use crate::alert::{Alert, Phase, Seen};
use crate::cell::time;
use crate::live::Status;
use crate::number::grouped;
use crate::text::visible;
use crate::visit::{Visit, segment};
use maud::{Markup, html};

/// The state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything is accounted for.
    Good,
    /// Messages are taken, and something needs to be looked at.
    Attention,
    /// Messages are being lost now.
    Losing,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    what: String,
    /// µs since 1970.
    since: Option<i64>,
    /// Where to read about it: an address and its title.
    read: (String, &'static str),
}

/// Alerts that are listed one by one in the banner.
const ALERTS_MAX: usize = 5;

/// What fires, the first to do so first, and a webhook that does not accept it.
fn firing(visit: &Visit, rules: &[Seen], webhook_error: Option<&str>) -> Vec<Wrong> {
    let of_rule = |rule: &Seen| {
        let (name, title) = (rule.rule.clone(), rule.title.clone());
        let fires = rule.alerts.iter().filter(|alert| alert.phase == Phase::Firing).cloned();
        fires.map(move |alert| (name.clone(), title.clone(), alert)).collect::<Vec<_>>()
    };
    let mut firing: Vec<(String, String, Alert)> = rules.iter().flat_map(of_rule).collect();
    firing.sort_by_key(|(.., alert)| alert.since);
    let more = firing.len().saturating_sub(ALERTS_MAX);
    let mut wrong: Vec<Wrong> = firing
        .into_iter()
        .take(ALERTS_MAX)
        .map(|(rule, title, alert)| {
            let what = if alert.summary.is_empty() { title } else { alert.summary };
            let read = (visit.link(&format!("/reports/{}", segment(&rule)), &[]), "Report");
            Wrong { what: format!("alert: {what}"), since: Some(alert.since), read }
        })
        .collect();
    if more > 0 {
        let what = format!("{more} more alert{}", if more == 1 { "" } else { "s" });
        wrong.push(Wrong { what, since: None, read: ("#alerts".to_owned(), "Alerts") });
    }
    let webhook = webhook_error.map(|why| format!("alerts are not accepted by the webhook: {why}"));
    wrong.extend(webhook.map(|what| Wrong { what, since: None, read: ("#alerts".to_owned(), "Alerts") }));
    wrong
}

fn judge(visit: &Visit, status: &Status) -> (State, Vec<Wrong>) {
    let watch = &visit.site.watch;
    let mut wrong: Vec<Wrong> = status
        .problems
        .iter()
        .map(|problem| Wrong { what: problem.clone(), since: watch.since(problem), read: place_of(visit, status, problem) })
        .collect();
    let ledger = &status.ledger;
    let lost = [
        (ledger.dropped_by_kernel, "datagram", "did not fit into a receive buffer since the server started", "#ledger", "Ledger"),
        (ledger.lost, "datagram", "never arrived, by the senders' numbers", "#senders", "Senders"),
        (ledger.dropped, "message", "found no space in the journal or on its disk", "#journal", "Journal"),
        (ledger.dropped_by_clients, "message", "dropped by clients before sending", "#senders", "Senders"),
        (ledger.set_aside, "message", "set aside for you to look at; `metlog recover` offers them to the store again", "#ledger", "Ledger"),
    ];
    for (count, noun, what, place, title) in lost {
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            let what = format!("{} {noun}{plural} {what}", grouped(count));
            wrong.push(Wrong { what, since: None, read: (place.to_owned(), title) });
        }
    }
    if let Some(alerts) = &visit.site.alerts {
        wrong.extend(firing(visit, &alerts.seen(), alerts.webhook_error().as_deref()));
    }
    let state = match (status.ok, wrong.is_empty()) {
        (false, _) => State::Losing,
        (true, false) => State::Attention,
        (true, true) => State::Good,
    };
    (state, wrong)
}

/// The place on the page that has more about a problem.
fn place_of(visit: &Visit, status: &Status, problem: &str) -> (String, &'static str) {
    let sink = status.sinks.iter().any(|sink| problem.starts_with(&format!("{}: ", sink.name)));
    match problem {
        _ if sink => ("#sinks".to_owned(), "Sinks"),
        text if text.contains("journal") => ("#journal".to_owned(), "Journal"),
        text if text.contains("rejected") => (visit.link(REJECTED, &[]), "Rejected input"),
        _ => ("#ledger".to_owned(), "Ledger"),
    }
}

/// The banner at the top.
pub(super) fn banner(visit: &Visit, status: &Status) -> Markup {
    let (state, wrong) = judge(visit, status);
    let (class, word, sentence) = match state {
        State::Good => ("state good", "Good", "Every message is accounted for, and nothing was lost."),
        State::Attention => ("state warn", "Attention", "Messages are being accepted. Something needs a look:"),
        State::Losing => ("state bad", "Losing", "Messages are being lost now:"),
    };
    html! {
        section class=(class) role="status" aria-label="State" {
            p.word { (word) }
            div {
                p { (sentence) }
                @if !wrong.is_empty() {
                    ul { @for Wrong { what, since, read } in &wrong {
                        li {
                            (visible(what))
                            @if let Some(since) = since { " " span.note { "since " (time(*since)) } }
                            " " a href=(read.0) { (read.1) }
                        }
                    } }
                }
                @if let Some(at) = visit.site.watch.last_loss() { p.note { "The last loss was counted at " (time(at)) "." } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Ledger, Sink};
    use crate::site::Site;
    use metlog_query::Rights;

    fn judged(status: &Status) -> (State, Vec<Wrong>) {
        let site = Site::new(None, None, None, String::new());
        site.watch.note(status, 7);
        judge(&Visit::new(site, Rights::everything(), "/", "", 0), status)
    }

    #[test]
    fn it_is_good_only_where_nothing_is_wrong_and_nothing_was_lost() {
        let good = Status { ok: true, ..Status::default() };
        assert_eq!(judged(&good), (State::Good, Vec::new()));
        let rejected = Ledger { rejected: [("json".to_owned(), 3)].into(), ..Ledger::default() };
        assert_eq!(judged(&Status { ledger: rejected, ..good.clone() }).0, State::Good, "bad input is no loss of ours");
        for ledger in [
            Ledger { lost: 1, ..Ledger::default() },
            Ledger { dropped: 1, ..Ledger::default() },
            Ledger { dropped_by_clients: 1, ..Ledger::default() },
            Ledger { dropped_by_kernel: 1, ..Ledger::default() },
            Ledger { set_aside: 1, ..Ledger::default() },
        ] {
            assert_eq!(judged(&Status { ledger: ledger.clone(), ..good.clone() }).0, State::Attention, "{ledger:?}");
        }
    }

    fn alert(summary: &str, phase: Phase, since: i64) -> Alert {
        let (labels, value, until, told) = (Default::default(), Some(1.0), None, None);
        Alert { labels, summary: summary.to_owned(), value, phase, since, until, told }
    }

    #[test]
    fn what_fires_is_wrong_since_when_and_leads_to_its_report() {
        let rule = |name: &str, alerts| Seen { rule: name.to_owned(), title: "Errors".to_owned(), evaluated: None, error: None, alerts };
        let visit = Visit::new(Site::new(None, None, None, String::new()), Rights::everything(), "/", "zone=local", 0);
        let quiet = [rule("a", vec![alert("x", Phase::Pending, 1), alert("y", Phase::Resolved, 2)])];
        assert_eq!(firing(&visit, &quiet, None), []);
        let rules = [rule("b", vec![alert("late", Phase::Firing, 9)]), rule("a/<b>", vec![alert("Errors: 3", Phase::Firing, 5)])];
        let wrong = firing(&visit, &rules, Some("503"));
        assert_eq!(wrong[0], Wrong { what: "alert: Errors: 3".to_owned(), since: Some(5), read: ("/reports/a%2F%3Cb%3E?zone=local".to_owned(), "Report") });
        assert_eq!((wrong[1].since, wrong.len()), (Some(9), 3));
        assert!(wrong[2].what.contains("webhook: 503") && wrong[2].read.0 == "#alerts");
        let many = [rule("a", (0..8).map(|at| alert("x", Phase::Firing, at)).collect())];
        assert_eq!(firing(&visit, &many, None).last().map(|wrong| wrong.what.as_str()), Some("3 more alerts"));
    }

    #[test]
    fn what_is_wrong_says_since_when_and_where_to_read() {
        let sinks = vec![Sink { name: "graphite".to_owned(), ..Sink::default() }];
        let problems = vec!["graphite: connection refused".to_owned()];
        let (state, wrong) = judged(&Status { ok: true, problems, sinks, ..Status::default() });
        assert_eq!((state, wrong[0].since, wrong[0].read.0.as_str()), (State::Attention, Some(7), "#sinks"));
        let (state, wrong) = judged(&Status { ok: false, problems: vec!["the journal is full".to_owned()], ..Status::default() });
        assert_eq!((state, wrong[0].read.0.as_str()), (State::Losing, "#journal"));
    }
}
