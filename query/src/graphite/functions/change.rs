//! Functions that change the values of each series by itself.
use super::super::number::{general, round6, shortest};
use super::super::series::{Consolidation, Series};
use super::{Args, Context, SERIES, Spec, Type, Value, needed, optional, spec};

const TRANSFORM: &str = "Transform";

pub(super) const ALL: &[Spec] = &[
    spec("scale", TRANSFORM, "Multiplies each value.", &[SERIES, needed("factor", Type::Float)], |_, a| {
        let factor = a.number(1).unwrap_or(1.0);
        each(a, &format!(",{}", general(factor)), "scale", Some(("scale", shortest(factor))), |v| v.map(|v| v * factor))
    }),
    spec("offset", TRANSFORM, "Adds to each value.", &[SERIES, needed("factor", Type::Float)], |_, a| {
        let by = a.number(1).unwrap_or_default();
        each(a, &format!(",{}", general(by)), "offset", Some(("offset", shortest(by))), |v| v.map(|v| v + by))
    }),
    spec(
        "scaleToSeconds",
        TRANSFORM,
        "Values for so many seconds in place of one step.",
        &[SERIES, needed("seconds", Type::Float)],
        scale_to_seconds,
    ),
    spec("absolute", TRANSFORM, "Values without their sign.", &[SERIES], |_, a| {
        each(a, "", "absolute", Some(("absolute", "1".to_owned())), |v| v.map(f64::abs))
    }),
    spec("invert", TRANSFORM, "One divided by each value.", &[SERIES], |_, a| {
        each(a, "", "invert", Some(("invert", "1".to_owned())), |v| v.filter(|v| *v != 0.0).map(|v| 1.0 / v))
    }),
    spec("isNonNull", TRANSFORM, "1 where there is a value, else 0.", &[SERIES], |_, a| {
        each(a, "", "isNonNull", Some(("isNonNull", "1".to_owned())), |v| Some(f64::from(u8::from(v.is_some()))))
    }),
    spec(
        "transformNull",
        TRANSFORM,
        "A number where there is no value.",
        &[SERIES, optional("default", Type::Float, "0"), optional("referenceSeries", Type::SeriesList, "null")],
        transform_null,
    ),
    spec(
        "keepLastValue",
        TRANSFORM,
        "The last value where there is none, over at most so many points.",
        &[SERIES, optional("limit", Type::IntOrInf, "null")],
        keep_last,
    ),
    spec("derivative", TRANSFORM, "The difference to the value before.", &[SERIES], |_, a| {
        Ok(a.series(0)
            .into_iter()
            .map(|series| {
                let points = series.points();
                let before = std::iter::once(None).chain(points.iter().copied());
                let values = points.iter().zip(before).map(|(value, before)| Some((*value)? - before?)).collect();
                series.clone().tagged("derivative", "1").with(format!("derivative({})", series.name), values)
            })
            .collect())
    }),
    spec(
        "nonNegativeDerivative",
        TRANSFORM,
        "The difference to the value before; nothing where a counter begins anew.",
        &[SERIES, optional("maxValue", Type::Float, "null"), optional("minValue", Type::Float, "null")],
        |_, a| non_negative(a, "nonNegativeDerivative", |delta, _| delta),
    ),
    spec(
        "perSecond",
        TRANSFORM,
        "The difference to the value before, per second.",
        &[SERIES, optional("maxValue", Type::Float, "null"), optional("minValue", Type::Float, "null")],
        |_, a| non_negative(a, "perSecond", |delta, step| round6(delta / step as f64)),
    ),
    spec("integral", TRANSFORM, "The sum of all values so far.", &[SERIES], |_, a| {
        Ok(a.series(0)
            .into_iter()
            .map(|series| {
                let mut sum = 0.0;
                let add = |value: Option<f64>| {
                    value.map(|value| {
                        sum += value;
                        sum
                    })
                };
                let values = series.points().into_iter().map(add).collect();
                series.clone().tagged("integral", "1").with(format!("integral({})", series.name), values)
            })
            .collect())
    }),
    spec("delay", TRANSFORM, "Values so many points later.", &[SERIES, needed("steps", Type::Integer)], delay),
    spec(
        "removeBelowValue",
        "Filter Data",
        "Nothing in place of values below a number.",
        &[SERIES, needed("n", Type::Float)],
        |_, a| removed(a, "removeBelowValue", |value, n| value < n),
    ),
    spec(
        "removeAboveValue",
        "Filter Data",
        "Nothing in place of values above a number.",
        &[SERIES, needed("n", Type::Float)],
        |_, a| removed(a, "removeAboveValue", |value, n| value > n),
    ),
    spec(
        "consolidateBy",
        "Special",
        "How values are made one where there are more than points.",
        &[SERIES, needed("consolidationFunc", Type::Text)],
        |_, a| {
            let name = a.text(1).unwrap_or_default().to_owned();
            consolidated(a, &name)
        },
    ),
    spec("cumulative", "Special", "Short for consolidateBy with sum.", &[SERIES], |_, a| consolidated(a, "sum")),
];

/// Changes each value, and calls the series so: `function(name…)`.
fn each(
    args: &mut Args,
    behind: &str,
    function: &str,
    tag: Option<(&str, String)>,
    of: impl Fn(Option<f64>) -> Option<f64>,
) -> Result<Vec<Series>, String> {
    let changed = |mut series: Series| {
        // As graphite-web: the values become those of the points, at their old number.
        let points = series.points();
        for (value, point) in series.values.iter_mut().zip(points) {
            *value = of(point);
        }
        if let Some((tag, value)) = &tag {
            series = series.tagged(tag, value.clone());
        }
        let name = format!("{function}({}{behind})", series.name);
        series.renamed(name)
    };
    Ok(args.series(0).into_iter().map(changed).collect())
}

fn scale_to_seconds(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let seconds = args.number(1).unwrap_or(1.0);
    let scaled = |mut series: Series| {
        let factor = seconds / series.step as f64;
        let points = series.points();
        for (value, point) in series.values.iter_mut().zip(points) {
            *value = point.map(|point| round6(point * factor));
        }
        let name = format!("scaleToSeconds({},{})", series.name, seconds as i64);
        series.tagged("scaleToSeconds", shortest(seconds)).renamed(name)
    };
    Ok(args.series(0).into_iter().map(scaled).collect())
}

fn transform_null(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let default = args.number(1).unwrap_or_default();
    let tag = shortest(default);
    let tag = if args.value(1).is_none() { "0".to_owned() } else { tag };
    let reference = args.series(2);
    let has_reference = !reference.is_empty();
    let rows = super::super::series::rows(&reference);
    let changed = |series: Series| {
        let is_there = |row: usize| !has_reference || rows.get(row).is_some_and(|row| row.iter().any(Option::is_some));
        let points = series.points();
        let length = if has_reference { points.len().max(rows.len()) } else { points.len() };
        let point = |row: usize| points.get(row).copied().flatten().or_else(|| is_there(row).then_some(default));
        let behind = if has_reference { ",referenceSeries" } else { "" };
        let name = format!("transformNull({},{}{behind})", series.name, general(default));
        let mut series = series.tagged("transformNull", tag.clone());
        if has_reference {
            series = series.tagged("referenceSeries", "1");
        }
        series.values = (0..length).map(point).collect();
        series.renamed(name)
    };
    Ok(args.series(0).into_iter().map(changed).collect())
}

fn keep_last(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let limit = match args.value(1) {
        Some(Value::Integer(limit)) => (*limit).max(0) as usize,
        _ => usize::MAX,
    };
    let kept = |mut series: Series| {
        let (mut missing, mut last) = (0, None);
        let length = series.values.len();
        for at in 0..=length {
            let value = series.values.get(at).copied().flatten();
            if value.is_none() && at < length {
                missing += 1;
                continue;
            }
            if missing > 0 && missing <= limit && last.is_some() {
                series.values[at - missing..at].fill(last);
            }
            (missing, last) = (0, value);
        }
        let name = format!("keepLastValue({})", series.name);
        series.renamed(name)
    };
    Ok(args.series(0).into_iter().map(kept).collect())
}

/// The growth of a counter, and what is the value before the next one.
fn growth(value: Option<f64>, before: Option<f64>, max: Option<f64>, min: Option<f64>) -> (Option<f64>, Option<f64>) {
    let is_out = |value: f64| max.is_some_and(|max| value > max) || min.is_some_and(|min| value < min);
    let Some(current) = value.filter(|value| !is_out(*value)) else { return (None, None) };
    let Some(before) = before else { return (None, value) };
    let grown = match (max, min) {
        _ if current >= before => Some(current - before),
        (Some(max), min) => Some(max + 1.0 + current - before - min.unwrap_or_default()),
        (None, Some(min)) => Some(current - min),
        (None, None) => None,
    };
    (grown, value)
}

fn non_negative(args: &mut Args, function: &str, of: fn(f64, i64) -> f64) -> Result<Vec<Series>, String> {
    let (max, min) = (args.number(1), args.number(2));
    let grown = |series: Series| {
        let mut before = None;
        let point = |value| {
            let (grown, next) = growth(value, before, max, min);
            before = next;
            grown.map(|grown| of(grown, series.step))
        };
        let values = series.points().into_iter().map(point).collect();
        series.clone().tagged(function, "1").with(format!("{function}({})", series.name), values)
    };
    Ok(args.series(0).into_iter().map(grown).collect())
}

fn delay(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let steps = args.integer(1, 0);
    let delayed = |series: Series| {
        let count = (steps.unsigned_abs() as usize).min(series.values.len());
        let nothing = std::iter::repeat_n(None, count);
        let values = match steps {
            ..0 => series.values.iter().skip(count).copied().chain(nothing).collect(),
            _ => nothing.chain(series.values.iter().copied()).take(series.values.len()).collect(),
        };
        let name = format!("delay({},{steps})", series.name);
        series.tagged("delay", steps.to_string()).with(name, values)
    };
    Ok(args.series(0).into_iter().map(delayed).collect())
}

fn removed(args: &mut Args, function: &str, is_removed: fn(f64, f64) -> bool) -> Result<Vec<Series>, String> {
    let n = args.number(1).unwrap_or_default();
    each(args, &format!(", {}", general(n)), function, None, |value| value.filter(|value| !is_removed(*value, n)))
}

fn consolidated(args: &mut Args, name: &str) -> Result<Vec<Series>, String> {
    let consolidation = Consolidation::from_name(name)
        .ok_or_else(|| format!("`{name}` is none of {}", Consolidation::NAMES.join(", ")))?;
    let by = |series: Series| {
        let called = format!("consolidateBy({},\"{name}\")", series.name);
        Series { consolidation, ..series }.tagged("consolidateBy", name).renamed(called)
    };
    Ok(args.series(0).into_iter().map(by).collect())
}
