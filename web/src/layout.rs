//! The frame of every page: head, navigation, time range and zone.
use crate::assets::address as asset;
use crate::range::{QUICK, Zone};
use crate::text::{visible, visible_plain};
use crate::view;
use crate::visit::Visit;
use maud::{Markup, html};

/// Scripts and styles.
pub(crate) fn head(visit: &Visit, title: &str, scripts: &[&'static str], refresh_seconds: Option<u32>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="zone" content=(visit.zone.name());
            @if let Some(seconds) = refresh_seconds { meta name="refresh-seconds" content=(seconds); }
            title { (visible_plain(title)) " · metlog" }
            link rel="icon" type="image/svg+xml" href=(asset("icon.svg"));
            link rel="stylesheet" href=(asset("vendor/uplot.css"));
            link rel="stylesheet" href=(asset("page.css"));
            script src=(asset("vendor/uplot.js")) defer {}
            script type="module" src=(asset("page.js")) {}
            @for script in scripts { script type="module" src=(asset(script)) {} }
        }
    }
}

/// Everything before the first part.
pub(crate) fn open(visit: &Visit, title: &str) -> Markup {
    let bar = html! {
        a.skip href="#main" { "Skip to content" }
        header.bar {
            a.brand href=(visit.link("/", &[])) { (mark()) "metlog" }
            nav aria-label="Views" {
                @for view in &view::ALL {
                    a href=(visit.link(view.path, &[])) aria-current=[is_here(&visit.path, view.path).then_some("page")] { (view.title) }
                }
            }
            (picker(visit))
            (user(visit))
        }
    };
    let top = html! {
        h1 { (visible_plain(title)) }
        @if let Some(why) = &visit.range_error {
            p.banner.bad role="alert" { "Time range: " (visible_plain(why)) ". Showing the last hour." }
        }
    };
    // `main` is left open: the parts follow.
    maud::PreEscaped(format!("<body>{}<main id=\"main\" tabindex=\"-1\">{}", bar.into_string(), top.into_string()))
}

fn is_here(path: &str, view: &str) -> bool {
    path == view || (view != "/" && path.strip_prefix(view).is_some_and(|rest| rest.starts_with('/')))
}

/// The mark beside the name, as in the icon: bars that are all accounted for.
pub(crate) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 16 16" aria-hidden="true" {
            rect x="1" y="8" width="3" height="7" rx="1" {}
            rect x="6.5" y="4" width="3" height="11" rx="1" {}
            rect x="12" y="1" width="3" height="14" rx="1" {}
        }
    }
}

/// Who looks at this, where users are told apart; and the end of their session, where they have one.
fn user(visit: &Visit) -> Markup {
    html! {
        @if let Some(name) = visit.rights.user() {
            div.user {
                span.name title=(seen(visit)) { (visible(name)) }
                @if visit.has_session {
                    form method="post" action="/logout" { button type="submit" { "Log out" } }
                }
            }
        }
    }
}

/// What they see, in words.
fn seen(visit: &Visit) -> String {
    match visit.rights.loggers() {
        Some(loggers) => {
            let names: Vec<&str> = loggers.iter().map(String::as_str).collect();
            visible_plain(&format!("sees the loggers {}", names.join(", ")))
        }
        None if visit.rights.is_admin() => "sees all loggers, and the server itself".to_owned(),
        None => "sees all loggers".to_owned(),
    }
}

/// Range and zone. A form, so that it works without a script.
fn picker(visit: &Visit) -> Markup {
    let kept =
        visit.parameters.iter().filter(|(key, value)| !matches!(key.as_str(), "from" | "to") && !value.is_empty());
    let (zone, other) = match visit.zone {
        Zone::Utc => ("UTC", Zone::Local),
        Zone::Local => ("Local", Zone::Utc),
    };
    html! {
        div.when {
            details.picker {
                summary title="Time range" { (visible_plain(&visit.range.title())) }
                form.popup method="get" action=(visit.path) {
                    ul.quick {
                        @for (from, words) in QUICK {
                            li { a href=(visit.here_with(&[("from", from), ("to", "")])) aria-current=[(visit.range.from == from && visit.range.to == "now").then_some("true")] { "Last " (words) } }
                        }
                    }
                    div.typed {
                        label { "From" input name="from" value=(visible_plain(&visit.range.from)) autocomplete="off" spellcheck="false"; }
                        label { "To" input name="to" value=(visible_plain(&visit.range.to)) autocomplete="off" spellcheck="false"; }
                        p.note { "Such as -15m, -7d, today, now, or 2026-01-02 03:04. Or drag on a chart." }
                        @for (key, value) in kept { input type="hidden" name=(key) value=(value); }
                        button type="submit" { "Apply" }
                    }
                }
            }
            a.zone href=(visit.here_with(&[("zone", other.name())])) title=(format!("Times are in {zone}; switch to {}", other.name())) { (zone) }
            a.reload href=(visit.here_with(&[])) title="Load again" { "↻" span.sr { " Load again" } }
            button.theme type="button" hidden title="Light or dark" { "◐" span.sr { " Light or dark" } }
        }
    }
}
