//! Functions that leave out series, or put them in order.
use super::super::aggregate::{Aggregation, are_enough, percentile};
use super::super::number::{general, shortest};
use super::super::series::Series;
use super::rename::compile;
use super::{Args, Context, Param, SERIES, Spec, Type, needed, optional, spec};
use std::cmp::Ordering;

const FILTER: &str = "Filter Series";
const SORT: &str = "Sorting";
const N: &[Param] = &[SERIES, needed("n", Type::Float)];
const COUNT: &[Param] = &[SERIES, needed("n", Type::Integer)];

pub(super) const ALL: &[Spec] = &[
    spec("currentAbove", FILTER, "Series whose last value is above a number.", N, |_, a| filter(a, "last", ">")),
    spec("currentBelow", FILTER, "Series whose last value is not above a number.", N, |_, a| filter(a, "last", "<=")),
    spec("averageAbove", FILTER, "Series whose mean is above a number.", N, |_, a| filter(a, "average", ">")),
    spec("averageBelow", FILTER, "Series whose mean is not above a number.", N, |_, a| filter(a, "average", "<=")),
    spec("maximumAbove", FILTER, "Series whose largest value is above a number.", N, |_, a| filter(a, "max", ">")),
    spec("maximumBelow", FILTER, "Series whose largest value is not above a number.", N, |_, a| filter(a, "max", "<=")),
    spec("minimumAbove", FILTER, "Series whose smallest value is above a number.", N, |_, a| filter(a, "min", ">")),
    spec("minimumBelow", FILTER, "Series whose smallest value is not above a number.", N, |_, a| {
        filter(a, "min", "<=")
    }),
    spec(
        "filterSeries",
        FILTER,
        "Series whose aggregate compares so with a number.",
        &[SERIES, needed("func", Type::Aggregation), needed("operator", Type::Text), needed("threshold", Type::Float)],
        |_, a| {
            let (name, operator) = (a.text(1).unwrap_or("last").to_owned(), a.text(2).unwrap_or(">").to_owned());
            kept(a.series(0), &name, &operator, a.number(3).unwrap_or_default())
        },
    ),
    spec(
        "removeEmptySeries",
        FILTER,
        "Series with values.",
        &[SERIES, optional("xFilesFactor", Type::Float, "null")],
        |_, a| {
            let factor = a.number(1).unwrap_or_default();
            Ok(a.series(0).into_iter().filter(|series| are_enough(&series.points(), factor)).collect())
        },
    ),
    spec("limit", FILTER, "The first series.", COUNT, |_, a| {
        let count = a.integer(1, 0);
        Ok(first(a.series(0), count))
    }),
    spec("highest", FILTER, "The series of which an aggregate is largest.", RANKED, |_, a| ranked_by(a, true)),
    spec("highestCurrent", FILTER, "The series with the largest last values.", COUNT, |_, a| ranked(a, "last", true)),
    spec("highestMax", FILTER, "The series with the largest values.", COUNT, |_, a| ranked(a, "max", true)),
    spec("highestAverage", FILTER, "The series with the largest means.", COUNT, |_, a| ranked(a, "average", true)),
    spec("lowest", FILTER, "The series of which an aggregate is smallest.", RANKED, |_, a| ranked_by(a, false)),
    spec("lowestCurrent", FILTER, "The series with the smallest last values.", COUNT, |_, a| ranked(a, "last", false)),
    spec("lowestAverage", FILTER, "The series with the smallest means.", COUNT, |_, a| ranked(a, "average", false)),
    spec("exclude", FILTER, "Series whose names a regular expression does not find.", PATTERN, |_, a| grep(a, false)),
    spec("grep", FILTER, "Series whose names a regular expression finds.", PATTERN, |_, a| grep(a, true)),
    spec("unique", FILTER, "Series of each name once.", &[super::many("seriesLists", Type::SeriesLists)], |_, a| {
        let mut seen = std::collections::HashSet::new();
        Ok(a.series(0).into_iter().filter(|series| seen.insert(series.name.clone())).collect())
    }),
    spec(
        "fallbackSeries",
        "Special",
        "Another series where there is none.",
        &[SERIES, needed("fallback", Type::SeriesList)],
        |_, a| {
            let series = a.series(0);
            Ok(if series.is_empty() { a.series(1) } else { series })
        },
    ),
    spec("nPercentile", "Calculate", "A line at a percentile of each series.", N, |_, a| {
        let n = a.number(1).unwrap_or_default();
        if n == 0.0 {
            return Err("the percentile must be greater than 0".to_owned());
        }
        let line = |series: Series| {
            let value = percentile(&series.points(), n, false)?;
            let count = ((series.end - series.start) / series.step).max(0) as usize;
            let name = format!("nPercentile({}, {})", series.name, general(n));
            Some(series.tagged("nPercentile", shortest(n)).with(name, vec![Some(value); count]))
        };
        Ok(a.series(0).into_iter().filter_map(line).collect())
    }),
    spec("sortByMaxima", SORT, "The largest values first.", &[SERIES], |_, a| Ok(sorted(a.series(0), "max", true))),
    spec(
        "sortByMinima",
        SORT,
        "The smallest of the smallest values first; series without positive values are left out.",
        &[SERIES],
        |_, a| {
            let positive = |series: &Series| Aggregation::Max.of(&series.points()).is_some_and(|max| max > 0.0);
            let series = a.series(0).into_iter().filter(positive).collect();
            Ok(sorted(series, "min", false))
        },
    ),
    spec("sortByTotal", SORT, "The largest sums first.", &[SERIES], |_, a| Ok(sorted(a.series(0), "sum", true))),
    spec(
        "sortBy",
        SORT,
        "By an aggregate.",
        &[SERIES, optional("func", Type::Aggregation, "\"average\""), optional("reverse", Type::Boolean, "false")],
        |_, a| {
            let (name, is_reverse) = (a.text(1).unwrap_or("average").to_owned(), a.is_true(2));
            Ok(sorted(a.series(0), &name, is_reverse))
        },
    ),
    spec(
        "sortByName",
        SORT,
        "By name.",
        &[SERIES, optional("natural", Type::Boolean, "false"), optional("reverse", Type::Boolean, "false")],
        by_name,
    ),
];

const PATTERN: &[Param] = &[SERIES, needed("pattern", Type::Text)];
const RANKED: &[Param] =
    &[SERIES, optional("n", Type::Integer, "1"), optional("func", Type::Aggregation, "\"average\"")];

fn filter(args: &mut Args, aggregation: &str, operator: &str) -> Result<Vec<Series>, String> {
    let n = args.number(1).unwrap_or_default();
    kept(args.series(0), aggregation, operator, n)
}

fn aggregate_of(series: &Series, name: &str) -> Option<f64> {
    Aggregation::from_name(name).and_then(|aggregation| aggregation.of(&series.points()))
}

fn kept(series: Vec<Series>, aggregation: &str, operator: &str, n: f64) -> Result<Vec<Series>, String> {
    let holds: fn(f64, f64) -> bool = match operator {
        "=" => |a, b| a == b,
        "!=" => |a, b| a != b,
        ">" => |a, b| a > b,
        ">=" => |a, b| a >= b,
        "<" => |a, b| a < b,
        "<=" => |a, b| a <= b,
        other => return Err(format!("unsupported operator `{other}`; there are = != > >= < <=")),
    };
    let is_kept = |series: &Series| aggregate_of(series, aggregation).is_some_and(|value| holds(value, n));
    Ok(series.into_iter().filter(is_kept).collect())
}

fn first(mut series: Vec<Series>, count: i64) -> Vec<Series> {
    let length = series.len() as i64;
    series.truncate((if count < 0 { length + count } else { count }).clamp(0, length) as usize);
    series
}

fn sorted(series: Vec<Series>, aggregation: &str, is_reverse: bool) -> Vec<Series> {
    let key = |series: Series| (aggregate_of(&series, aggregation).unwrap_or(f64::NEG_INFINITY), series);
    let mut keyed: Vec<(f64, Series)> = series.into_iter().map(key).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
        if is_reverse { order.reverse() } else { order }
    });
    keyed.into_iter().map(|(_, series)| series).collect()
}

fn ranked(args: &mut Args, aggregation: &str, is_highest: bool) -> Result<Vec<Series>, String> {
    let count = args.integer(1, 1);
    Ok(first(sorted(args.series(0), aggregation, is_highest), count))
}

fn ranked_by(args: &mut Args, is_highest: bool) -> Result<Vec<Series>, String> {
    let name = args.text(2).unwrap_or("average").to_owned();
    ranked(args, &name, is_highest)
}

fn grep(args: &mut Args, is_kept: bool) -> Result<Vec<Series>, String> {
    let regex = compile(args.text(1).unwrap_or_default())?;
    Ok(args.series(0).into_iter().filter(|series| regex.is_match(&series.name) == is_kept).collect())
}

/// A name with each run of digits as wide as ten of them.
fn natural(name: &str) -> String {
    let (mut made, mut digits) = (String::new(), String::new());
    for character in name.chars() {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        if !digits.is_empty() {
            made.push_str(&format!("{digits:0>10}"));
            digits.clear();
        }
        made.push(character);
    }
    if digits.is_empty() { made } else { format!("{made}{digits:0>10}") }
}

fn by_name(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (is_natural, is_reverse) = (args.is_true(1), args.is_true(2));
    let key = |series: &Series| if is_natural { natural(&series.name) } else { series.name.clone() };
    let mut series = args.series(0);
    series.sort_by(|a, b| if is_reverse { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) });
    Ok(series)
}
