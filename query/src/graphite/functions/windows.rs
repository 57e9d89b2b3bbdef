//! Functions over time: intervals, moving windows, shifts.
use super::super::aggregate::{Aggregation, is_enough};
use super::super::attime::{Unit, localize, parse_offset, unit_of};
use super::super::series::Series;
use super::{Args, Context, Param, SERIES, Spec, Type, Value, needed, optional, spec, with_again};
use chrono::{Datelike, NaiveTime, TimeZone, Timelike, Utc};

const TRANSFORM: &str = "Transform";
const CALCULATE: &str = "Calculate";
const MOVING: &[Param] =
    &[SERIES, needed("windowSize", Type::IntOrInterval), optional("xFilesFactor", Type::Float, "null")];

/// Points of a result that a request may not exceed.
const POINTS_MAX: i64 = 1_000_000;

pub(super) const ALL: &[Spec] = &[
    spec(
        "summarize",
        TRANSFORM,
        "One value for each interval.",
        &[
            SERIES,
            needed("intervalString", Type::Interval),
            optional("func", Type::Aggregation, "\"sum\""),
            optional("alignToFrom", Type::Boolean, "false"),
        ],
        summarize,
    ),
    with_again(
        spec(
            "smartSummarize",
            TRANSFORM,
            "One value for each interval, the first of which begins at a full unit of time.",
            &[
                SERIES,
                needed("intervalString", Type::Interval),
                optional("func", Type::Aggregation, "\"sum\""),
                optional("alignTo", Type::Text, "null"),
            ],
            smart_summarize,
        ),
        |context, args| {
            let Some(unit) = args.text(3) else { return Ok(None) };
            Ok(Some(Context { from: aligned(context, unit_of(unit)?, unit)?, ..context.clone() }))
        },
    ),
    with_again(
        spec(
            "hitcount",
            TRANSFORM,
            "Hits in each interval, where values are hits per second.",
            &[SERIES, needed("intervalString", Type::Interval), optional("alignToInterval", Type::Boolean, "false")],
            hitcount,
        ),
        |context, args| {
            if !args.is_true(2) {
                return Ok(None);
            }
            let unit = match interval(args)? {
                86_400.. => Unit::Day,
                3_600.. => Unit::Hour,
                60.. => Unit::Minute,
                _ => return Ok(Some(context.clone())),
            };
            Ok(Some(Context { from: aligned(context, unit, "")?, ..context.clone() }))
        },
    ),
    moving("movingAverage", "The mean of the values before, over so many points or such a time.", |c, a| {
        moved(c, a, "average", 2)
    }),
    moving("movingMedian", "The median of the values before.", |c, a| moved(c, a, "median", 2)),
    moving("movingSum", "The sum of the values before.", |c, a| moved(c, a, "sum", 2)),
    moving("movingMin", "The smallest of the values before.", |c, a| moved(c, a, "min", 2)),
    moving("movingMax", "The largest of the values before.", |c, a| moved(c, a, "max", 2)),
    with_again(
        spec(
            "movingWindow",
            CALCULATE,
            "An aggregate of the values before.",
            &[
                SERIES,
                needed("windowSize", Type::IntOrInterval),
                optional("func", Type::Aggregation, "\"average\""),
                optional("xFilesFactor", Type::Float, "null"),
            ],
            |c, a| {
                let name = a.text(2).unwrap_or("average").to_owned();
                moved(c, a, &name, 3)
            },
        ),
        before,
    ),
    with_again(
        spec(
            "timeShift",
            TRANSFORM,
            "Values of another time: of a week ago with \"7d\".",
            &[
                SERIES,
                needed("timeShift", Type::Interval),
                optional("resetEnd", Type::Boolean, "true"),
                optional("alignDST", Type::Boolean, "false"),
            ],
            time_shift,
        ),
        |context, args| {
            let delta = parse_offset(&shift(args))?;
            Ok(Some(Context { from: context.from + delta, until: context.until + delta, ..context.clone() }))
        },
    ),
];

const fn moving(name: &'static str, description: &'static str, run: super::Run) -> Spec {
    with_again(spec(name, CALCULATE, description, MOVING, run), before)
}

/// Seconds of the interval at place 1.
fn interval(args: &Args) -> Result<i64, String> {
    let seconds = parse_offset(args.text(1).unwrap_or_default())?;
    if seconds > 0 { Ok(seconds) } else { Err("the interval must be longer than nothing".to_owned()) }
}

/// One value for each interval from `start` on, and where the last one ends.
fn summarized(
    series: &Series,
    of: impl Fn(&[Option<f64>]) -> Option<f64>,
    interval: i64,
    start: i64,
    end: i64,
) -> (Vec<Option<f64>>, i64) {
    let points = series.points();
    let times = ((series.end - series.start).max(0) as usize).div_ceil(series.step as usize);
    let count = times.min(points.len());
    let time = |nth: usize| series.start + nth as i64 * series.step;
    let expected = interval as f64 / series.step as f64;
    let (mut values, mut at, mut nth) = (Vec::new(), start, 0);
    while at < end {
        let (mut first, mut present) = (nth, 0);
        while nth < count && time(nth) < at + interval {
            if time(nth) <= at {
                first = nth;
            }
            if time(nth) >= at && points[nth].is_some() {
                present += 1;
            }
            nth += 1;
        }
        let is_there = is_enough(present, expected, series.x_files_factor);
        values.push(if is_there { of(&points[first..nth]) } else { None });
        at += interval;
    }
    (values, at)
}

fn aggregation(args: &Args, place: usize) -> Result<(String, Aggregation), String> {
    let name = args.text(place).unwrap_or("sum").to_owned();
    let found = Aggregation::from_name(&name).ok_or_else(|| format!("unsupported aggregation `{name}`"))?;
    Ok((name, found))
}

fn bounded(series: &[Series], interval: i64) -> Result<(), String> {
    let most = series.iter().map(|series| (series.end - series.start) / interval).max().unwrap_or_default();
    if most > POINTS_MAX { Err(format!("more than {POINTS_MAX} intervals")) } else { Ok(()) }
}

fn summarize(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (seconds, (name, aggregation), is_from) = (interval(args)?, aggregation(args, 2)?, args.is_true(3));
    let text = args.text(1).unwrap_or_default().to_owned();
    let series = args.series(0);
    bounded(&series, seconds)?;
    let summed = |series: Series| {
        let (start, end) = if is_from {
            (series.start, series.end)
        } else {
            let floor = |at: i64| at - at.rem_euclid(seconds);
            (floor(series.start), floor(series.end) + seconds)
        };
        let (values, aligned_end) = summarized(&series, |values| aggregation.of(values), seconds, start, end);
        let behind = if is_from { ", true" } else { "" };
        let called = format!("summarize({}, \"{text}\", \"{name}\"{behind})", series.name);
        let series = series.tagged("summarize", text.clone()).tagged("summarizeFunction", name.clone());
        let end = if is_from { aligned_end } else { end };
        Series { start, end, step: seconds, ..series.with(called, values) }
    };
    Ok(series.into_iter().map(summed).collect())
}

fn smart_summarize(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (seconds, (name, aggregation)) = (interval(args)?, aggregation(args, 2)?);
    let text = args.text(1).unwrap_or_default().to_owned();
    let series = args.again.take().unwrap_or_else(|| args.series(0));
    bounded(&series, seconds)?;
    let summed = |series: Series| {
        let (values, end) = summarized(&series, |values| aggregation.of(values), seconds, series.start, series.end);
        let called = format!("smartSummarize({}, \"{text}\", \"{name}\")", series.name);
        let series = series.tagged("smartSummarize", text.clone()).tagged("smartSummarizeFunction", name.clone());
        Series { end, step: seconds, ..series.with(called, values) }
    };
    Ok(series.into_iter().map(summed).collect())
}

/// The begin of the unit of time that the request begins in.
fn aligned(context: &Context, unit: Unit, word: &str) -> Result<i64, String> {
    let begin = Utc.timestamp_opt(context.from, 0).single().ok_or("too far away")?;
    let local = begin.with_timezone(&context.zone).naive_local();
    let date = local.date();
    let day = |date: Option<chrono::NaiveDate>| date.map(|date| date.and_time(NaiveTime::MIN));
    let found = match unit {
        Unit::Year => day(chrono::NaiveDate::from_ymd_opt(date.year(), 1, 1)),
        Unit::Month => day(chrono::NaiveDate::from_ymd_opt(date.year(), date.month(), 1)),
        Unit::Week => {
            let first = word.chars().last().and_then(|last| last.to_digit(10)).unwrap_or(1);
            let back = (date.weekday().number_from_monday() + 7 - first.clamp(1, 7)) % 7;
            day(date.checked_sub_days(chrono::Days::new(back.into())))
        }
        Unit::Day => day(Some(date)),
        Unit::Hour => date.and_hms_opt(local.hour(), 0, 0),
        Unit::Minute => date.and_hms_opt(local.hour(), local.minute(), 0),
        Unit::Second => date.and_hms_opt(local.hour(), local.minute(), local.second()),
    };
    found.map(|local| localize(local, context.zone).timestamp()).ok_or_else(|| "too far away".to_owned())
}

fn hitcount(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (seconds, is_aligned) = (interval(args)?, args.is_true(2));
    let text = args.text(1).unwrap_or_default().to_owned();
    let mut series = args.again.take().unwrap_or_else(|| args.series(0));
    bounded(&series, seconds)?;
    if is_aligned {
        for series in &mut series {
            series.end = series.start + (series.end - series.start).div_euclid(seconds) * seconds + seconds;
        }
    }
    let counted = |series: Series| {
        let buckets = ((series.end - series.start).max(0) as usize).div_ceil(seconds as usize);
        let start = series.end - buckets as i64 * seconds;
        let values = hits(&series, start, seconds, buckets);
        let behind = if is_aligned { ", true" } else { "" };
        let called = format!("hitcount({}, \"{text}\"{behind})", series.name);
        let series = series.tagged("hitcount", text.clone());
        Series { start, step: seconds, ..series.with(called, values) }
    };
    Ok(series.into_iter().map(counted).collect())
}

/// Hits of each value, spread over the intervals that its step reaches into.
fn hits(series: &Series, start: i64, interval: i64, count: usize) -> Vec<Option<f64>> {
    let mut buckets: Vec<Option<f64>> = vec![None; count];
    let mut add = |bucket: i64, hits: f64| {
        if let Some(sum) = usize::try_from(bucket).ok().and_then(|bucket| buckets.get_mut(bucket)) {
            *sum = Some(sum.unwrap_or_default() + hits);
        }
    };
    for (nth, value) in series.points().into_iter().enumerate() {
        let Some(value) = value else { continue };
        let from = series.start + nth as i64 * series.step - start;
        let until = from + series.step;
        let (first, first_part) = (from.div_euclid(interval), from.rem_euclid(interval));
        let (mut last, mut last_part) = (until.div_euclid(interval), until.rem_euclid(interval));
        if last >= count as i64 {
            (last, last_part) = (count as i64 - 1, interval);
        }
        if first == last {
            add(first, value * (last_part - first_part) as f64);
            continue;
        }
        add(first, value * (interval - first_part) as f64);
        (first + 1..last).for_each(|bucket| add(bucket, value * interval as f64));
        if last_part > 0 {
            add(last, value * last_part as f64);
        }
    }
    buckets
}

/// Seconds before the request that a moving window needs.
fn preview(args: &Args) -> Result<i64, String> {
    let seconds = match args.value(1) {
        Some(Value::Text(text)) => parse_offset(text)?.abs(),
        Some(Value::Integer(points)) => {
            let step = args.seen(0).iter().map(|series| series.step).max().unwrap_or_default();
            step.checked_mul(points.abs()).ok_or("the window is too long")?
        }
        _ => 0,
    };
    if seconds > 366 * 86_400 { Err("the window is longer than a year".to_owned()) } else { Ok(seconds) }
}

fn before(context: &Context, args: &Args) -> Result<Option<Context>, String> {
    let from = context.from - preview(args)?;
    Ok((!args.seen(0).is_empty()).then(|| Context { from, ..context.clone() }))
}

fn capitalized(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + characters.as_str())
}

fn moved(_: &Context, args: &mut Args, name: &str, factor_at: usize) -> Result<Vec<Series>, String> {
    let Some(again) = args.again.take() else { return Ok(Vec::new()) };
    let (seconds, factor) = (preview(args)?, args.number(factor_at));
    let aggregation = Aggregation::from_name(name).ok_or_else(|| format!("unsupported aggregation `{name}`"))?;
    let function = format!("moving{}", capitalized(name));
    let (size, shown) = match args.value(1) {
        Some(Value::Integer(points)) => (Some(*points), points.to_string()),
        Some(Value::Text(text)) => (None, format!("\"{text}\"")),
        _ => (None, String::new()),
    };
    let window = |series: Series| {
        let length = size.unwrap_or(seconds / series.step).max(0) as usize;
        let factor = factor.unwrap_or(series.x_files_factor);
        let points = series.points();
        let value = |end: usize| {
            let part = points.get(end.saturating_sub(length)..end).unwrap_or_default();
            let present: Vec<Option<f64>> = part.iter().copied().filter(Option::is_some).collect();
            if is_enough(present.len(), length as f64, factor) { aggregation.of(&present) } else { None }
        };
        let values = (length + 1..points.len() + 1).map(value).collect();
        let called = format!("{function}({},{shown})", series.name);
        let tag = shown.trim_matches('"').to_owned();
        let start = series.start + seconds;
        Series { start, ..series.tagged(&function, tag).with(called, values) }
    };
    Ok(again.into_iter().map(window).collect())
}

/// Into the past unless it has a sign.
fn shift(args: &Args) -> String {
    let text = args.text(1).unwrap_or_default();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("-{text}") } else { text.to_owned() }
}

fn time_shift(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (shift, does_reset) = (shift(args), args.value(2).is_none() || args.is_true(2));
    let shifted = args.again.take().unwrap_or_default();
    let Some(original) = args.seen(0).first() else { return Ok(Vec::new()) };
    let (start, end) = (original.start, original.end);
    let moved = |series: Series| {
        let name = format!("timeShift({}, \"{shift}\")", series.name);
        let end = if does_reset { end } else { series.end - series.start + start };
        Series { name, start, end, ..series }.tagged("timeShift", shift.clone())
    };
    Ok(shifted.into_iter().map(moved).collect())
}
