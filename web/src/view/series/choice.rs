//! What the address of the view says: which names, which statistics, by what, how fine.
use super::PATH;
use super::statistic::Statistic;
use crate::text::{visible, visible_plain};
use crate::visit::{Visit, address};
use maud::{Markup, html};
use metlog_query::filter::{Filter, FilterError};
use metlog_schemas::table::Table;

/// Names in one chart.
pub(super) const NAMES_MAX: usize = 10;
/// Statistics in one chart.
const STATISTICS_MAX: usize = 6;
/// Buckets of a chart.
const BUCKETS: i64 = 120;
const BUCKETS_MAX: i64 = 4_000;
/// Lengths of buckets that are offered: seconds, and in words.
const EVERY: [(i64, &str); 7] =
    [(10, "10 s"), (60, "1 min"), (300, "5 min"), (900, "15 min"), (3_600, "1 h"), (21_600, "6 h"), (86_400, "1 d")];

/// By what series are apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    Nothing,
    Host,
    Tag(String),
}

/// What is drawn.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) text: String,
    /// Which series are found and drawn.
    pub(super) filter: Filter,
    pub(super) error: Option<FilterError>,
    pub(super) names: Vec<String>,
    /// None: those that are usual for each kind.
    pub(super) statistics: Vec<Statistic>,
    pub(super) by: By,
    pub(super) every: i64,
    /// A bucket without a value is 0.
    pub(super) is_filled: bool,
    /// The part of the tree of names that is shown, with its last dot.
    pub(super) under: String,
}

impl Choice {
    pub(super) fn of(visit: &Visit) -> Choice {
        let text = visit.get("find").unwrap_or_default().to_owned();
        let (filter, error) = match Filter::parse(Table::Metrics, &text) {
            Ok(filter) => (filter, None),
            Err(error) => (Filter::all(Table::Metrics), Some(error)),
        };
        let typed = visit.get("percentile").map(|digits| format!("p{}", digits.trim().trim_start_matches('p')));
        let named = visit.all("stat").map(str::to_owned).chain(typed);
        let mut statistics: Vec<Statistic> = named.filter_map(|name| Statistic::read(&name)).collect();
        statistics.dedup();
        statistics.truncate(STATISTICS_MAX);
        let by = match visit.get("by") {
            Some("host") => By::Host,
            Some(by) => by.strip_prefix("tag:").map_or(By::Nothing, |tag| By::Tag(tag.to_owned())),
            None => By::Nothing,
        };
        let least = ((visit.range.end - visit.range.start) / 1_000_000 / BUCKETS_MAX).max(1);
        let every = visit.get("every").and_then(|every| every.parse().ok()).filter(|every| (least..=31_536_000).contains(every));
        Choice {
            text,
            filter,
            error,
            names: visit.all("name").take(NAMES_MAX).map(str::to_owned).collect(),
            statistics,
            by,
            every: every.unwrap_or_else(|| visit.range.bucket_seconds(BUCKETS).max(10)),
            is_filled: visit.get("gaps") == Some("zero"),
            under: visit.get("under").unwrap_or_default().to_owned(),
        }
    }

    /// The series that are found, in SQL.
    pub(super) fn found(&self, visit: &Visit) -> String {
        format!("{} and ({})", visit.range.condition("timestamp"), self.filter.to_sql())
    }

    /// This address with a name more or less.
    pub(super) fn toggled(&self, visit: &Visit, name: &str) -> String {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match names.iter().position(|other| *other == name) {
            Some(at) => drop(names.remove(at)),
            None => names.push(name),
        }
        let others = visit.parameters.iter().filter(|(key, _)| key != "name").map(|(key, value)| (key.as_str(), value.as_str()));
        address(PATH, others.chain(names.into_iter().map(|name| ("name", name))))
    }

    pub(super) fn search(&self, visit: &Visit) -> Markup {
        let kept = |key: &str| key != "find" && key != "under";
        html! {
            form.search method="get" action=(PATH) role="search" {
                label.sr for="find" { "Find series" }
                input #find name="find" type="search" value=(self.text) autocomplete="off" spellcheck="false" maxlength="4096"
                    placeholder="part of a name, tags.host=web-1, kind=timer, name~\"^api\\.\""
                    aria-invalid=[self.error.is_some().then_some("true")];
                @for (key, value) in visit.parameters.iter().filter(|(key, value)| kept(key) && !value.is_empty()) { input type="hidden" name=(key) value=(value); }
                button.primary type="submit" { "Find" }
            }
            @if let Some(error) = &self.error {
                div.fault role="alert" {
                    p { strong { "This cannot be read. " } (visible(&error.to_string())) "." }
                }
            }
        }
    }

    /// What is drawn, to be changed. `tags` are the keys that the series have.
    pub(super) fn form(&self, visit: &Visit, tags: &[String]) -> Markup {
        let by = |value: &str| match &self.by {
            By::Nothing => value.is_empty(),
            By::Host => value == "host",
            By::Tag(tag) => value.strip_prefix("tag:") == Some(tag),
        };
        let names: Vec<String> = self.statistics.iter().map(Statistic::name).collect();
        let is_offered = |name: &String| Statistic::OFFERED.iter().any(|(offered, _)| offered == name);
        let typed = names.iter().find(|name| !is_offered(name)).map(|name| name.trim_start_matches('p')).unwrap_or_default();
        html! {
            form.drawing method="get" action=(PATH) {
                @for (key, value) in &visit.parameters {
                    @if matches!(key.as_str(), "from" | "to" | "zone" | "find" | "under" | "name") && !value.is_empty() { input type="hidden" name=(key) value=(value); }
                }
                fieldset { legend { "Statistics" }
                    @for (name, meaning) in Statistic::OFFERED {
                        label.check title=(meaning) { input type="checkbox" name="stat" value=(name) checked[names.iter().any(|other| other == name)]; (name) }
                    }
                    label.check title="any percentile, such as 99.9" { "p" input.short name="percentile" value=(typed) inputmode="decimal" size="4" aria-label="Any percentile"; }
                }
                label { "One line for each"
                    select name="by" {
                        option value="" selected[by("")] { "name" }
                        option value="host" selected[by("host")] { "name and host" }
                        @for tag in tags { option value=(format!("tag:{tag}")) selected[by(&format!("tag:{tag}"))] { "name and tag " (visible_plain(tag)) } }
                    }
                }
                label { "Over"
                    select name="every" {
                        option value="" selected[visit.get("every").is_none()] { "automatic" }
                        @for (seconds, words) in EVERY { option value=(seconds) selected[visit.get("every").is_some() && self.every == seconds] { (words) } }
                    }
                }
                label { "Without a value"
                    select name="gaps" {
                        option value="" selected[!self.is_filled] { "a gap" }
                        option value="zero" selected[self.is_filled] { "0" }
                    }
                }
                button.primary type="submit" { "Draw" }
            }
        }
    }
}
