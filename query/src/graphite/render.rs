//! `/render`: targets and a time, answered as JSON, CSV or raw lines. Images are not drawn.
use super::evaluate::Evaluator;
use super::functions::Context;
use super::number::shortest;
use super::request::{Parameters, Refusal, with_type};
use super::series::Series;
use super::{Graphite, seconds_now};
use crate::access::Rights;
use arrow::array::timezone::Tz;
use axum::extract::State;
use axum::response::Response;
use chrono::{TimeZone, Utc};
use std::fmt::Write;

/// Targets of one request.
const TARGETS_MAX: usize = 1_000;

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
    Raw,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) context: Context,
    targets: Vec<String>,
    format: Format,
    points_max: Option<i64>,
    without_nulls: bool,
    is_pretty: bool,
}

impl Asked {
    /// What parameters say; `now` is the server's time.
    pub(super) fn read(parameters: &Parameters, now: i64) -> Result<Asked, Refusal> {
        let format = match parameters.get("format").unwrap_or("png") {
            "json" => Format::Json,
            "csv" => Format::Csv,
            "raw" => Format::Raw,
            _ if parameters.get("rawData").is_some() && parameters.get("format").is_none() => Format::Raw,
            other => {
                let why = format!("format `{other}` is not supported: there are json, csv and raw");
                return Err(Refusal::request(why));
            }
        };
        let (zone, now) = (parameters.zone(), parameters.now(now)?);
        let until = parameters.time("until", now)?.unwrap_or(now);
        let from = parameters.time("from", now)?.unwrap_or(now - 86_400);
        if from == until {
            return Err(Refusal::request("Invalid empty time range"));
        }
        let factor = match parameters.get("xFilesFactor") {
            None => 0.0,
            Some(text) => match text.trim().parse::<f64>() {
                Ok(factor) if factor.is_finite() => factor,
                _ => return Err(Refusal::request(format!("xFilesFactor must be a number, not `{text}`"))),
            },
        };
        let context = Context { from: from.min(until), until: from.max(until), now, zone, x_files_factor: factor };
        let targets = parameters.all("target");
        if targets.len() > TARGETS_MAX {
            return Err(Refusal::request(format!("more than {TARGETS_MAX} targets")));
        }
        let is_digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let points_max = parameters.get("maxDataPoints").filter(is_digits).and_then(|text| text.parse().ok());
        Ok(Asked {
            context,
            targets,
            format,
            points_max,
            without_nulls: parameters.get("noNullPoints").is_some(),
            is_pretty: parameters.get("pretty").is_some_and(|text| !text.is_empty()),
        })
    }

    /// What is asked for.
    pub(super) fn targets(&self) -> &[String] {
        &self.targets
    }

    /// The result of its series.
    pub(super) fn write(&self, series: Vec<Series>) -> (&'static str, String) {
        match self.format {
            Format::Json => ("application/json", self.json(series)),
            Format::Csv => ("text/csv; charset=utf-8", csv(&series, self.context.zone)),
            Format::Raw => ("text/plain; charset=utf-8", raw(&series)),
        }
    }

    fn json(&self, mut series: Vec<Series>) -> String {
        if let Some(most) = self.points_max {
            consolidate(&mut series, most);
        }
        let mut text = String::from("[");
        let (line, indent) = if self.is_pretty { ("\n", "  ") } else { ("", "") };
        for each in &series {
            let mut points = each.timed();
            if self.without_nulls {
                points.retain(|(value, _)| value.is_some_and(|value| !value.is_nan()));
                if points.is_empty() {
                    continue;
                }
            }
            if text.len() > 1 {
                text.push(',');
            }
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let tags: Vec<String> =
                each.tags.iter().map(|(tag, value)| format!("{}: {}", quoted(tag), quoted(value))).collect();
            let _ = write!(
                text,
                "{line}{indent}{{\"target\": {}, \"tags\": {{{}}}, \"datapoints\": [",
                quoted(&each.name),
                tags.join(", ")
            );
            for (nth, (value, at)) in points.iter().enumerate() {
                let comma = if nth > 0 { ", " } else { "" };
                let _ = write!(text, "{comma}[{}, {at}]", number(*value));
            }
            text.push_str("]}");
        }
        text.push_str(line);
        text.push(']');
        text
    }
}

/// As JSON: what is no number is null, and what is too large for one is larger than any.
fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:?}"),
        Some(value) if value.is_infinite() => (if value > 0.0 { "1e9999" } else { "-1e9999" }).to_owned(),
        _ => "null".to_owned(),
    }
}

/// At most so many points of each series, at times that stay where they are when the request is made again later.
fn consolidate(series: &mut [Series], most: i64) {
    let start = series.iter().map(|series| series.start).min().unwrap_or_default();
    let end = series.iter().map(|series| series.end).max().unwrap_or_default();
    let range = end - start;
    for each in series {
        if most == 1 {
            each.per_point = each.values.len().max(1);
            continue;
        }
        let points = range as f64 / each.step as f64;
        if most <= 0 || most as f64 >= points {
            continue;
        }
        let per_point = (points / most as f64).ceil() as i64;
        let seconds = per_point * each.step;
        let nudge = seconds + each.start.rem_euclid(each.step) - each.start.rem_euclid(seconds);
        each.start += nudge;
        // One fewer than the nudge is long: so does graphite-web, and values have to be equal.
        let lost = (nudge / each.step - 1).clamp(0, each.values.len() as i64) as usize;
        each.values.drain(..lost);
        each.per_point = per_point.max(1) as usize;
    }
}

/// Never the beginning of a formula in a spreadsheet.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn csv(series: &[Series], zone: Tz) -> String {
    let mut text = String::new();
    for each in series {
        for (nth, value) in each.points().into_iter().enumerate() {
            let at = Utc.timestamp_opt(each.start + nth as i64 * each.step, 0).single();
            let at = at.map(|at| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string());
            let value = value.map(shortest).unwrap_or_default();
            let _ = write!(text, "{},{},{value}\r\n", cell(&each.name), at.unwrap_or_default());
        }
    }
    text
}

fn raw(series: &[Series]) -> String {
    let mut text = String::new();
    for each in series {
        let values: Vec<String> =
            each.points().into_iter().map(|value| value.map_or_else(|| "None".to_owned(), shortest)).collect();
        let name = each.name.replace(['\n', '\r'], " ");
        let _ = writeln!(text, "{name},{},{},{}|{}", each.start, each.end, each.step, values.join(","));
    }
    text
}

pub(super) async fn render(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&parameters, seconds_now())?;
    let rows = graphite.rows(rights);
    let evaluator = Evaluator::new(&rows, &graphite.names, graphite.idle_after, parameters.templates());
    let series = evaluator.targets(&asked.context, asked.targets()).await?;
    let (media_type, text) = asked.write(series);
    Ok(with_type(media_type, text))
}
