//! Functions that make one series of several, or of one for each group.
use super::super::aggregate::{Aggregation, are_enough, percentile};
use super::super::number::{general, shortest};
use super::super::series::{Series, normalize, rows};
use super::rename::{first_path, key_of};
use super::{Args, Context, Param, SERIES, Spec, Type, Value, many, needed, optional, spec};
use std::collections::{BTreeMap, HashMap};

const LISTS: &[Param] = &[many("seriesLists", Type::SeriesLists)];
const GROUP: &str = "Combine";

pub(super) const ALL: &[Spec] = &[
    spec("sumSeries", GROUP, "Adds the values of all series.", LISTS, |c, a| all_by(c, a, "sum")),
    spec("sum", GROUP, "Short for sumSeries.", LISTS, |c, a| all_by(c, a, "sum")),
    spec("averageSeries", GROUP, "The mean of the values of all series.", LISTS, |c, a| all_by(c, a, "average")),
    spec("avg", GROUP, "Short for averageSeries.", LISTS, |c, a| all_by(c, a, "average")),
    spec("maxSeries", GROUP, "The largest value of all series.", LISTS, |c, a| all_by(c, a, "max")),
    spec("max", GROUP, "Short for maxSeries.", LISTS, |c, a| all_by(c, a, "max")),
    spec("minSeries", GROUP, "The smallest value of all series.", LISTS, |c, a| all_by(c, a, "min")),
    spec("min", GROUP, "Short for minSeries.", LISTS, |c, a| all_by(c, a, "min")),
    spec("diffSeries", GROUP, "The first series without the values of the others.", LISTS, |c, a| all_by(c, a, "diff")),
    spec("stddevSeries", GROUP, "The standard deviation of all series.", LISTS, |c, a| all_by(c, a, "stddev")),
    spec("rangeOfSeries", GROUP, "The largest value less the smallest.", LISTS, |c, a| all_by(c, a, "rangeOf")),
    spec("multiplySeries", GROUP, "The product of all series.", LISTS, multiply),
    spec("countSeries", GROUP, "How many series there are.", LISTS, count),
    spec("group", GROUP, "All lists as one.", LISTS, |_, a| Ok(a.series(0))),
    spec(
        "aggregate",
        GROUP,
        "One series of all, by the function that is named.",
        &[SERIES, needed("func", Type::Aggregation), optional("xFilesFactor", Type::Float, "null")],
        |c, a| {
            let (name, factor) = (name_of(a, 1, "average"), a.number(2));
            by_factor(a.series(0), &name, factor.unwrap_or(c.x_files_factor))
        },
    ),
    spec(
        "percentileOfSeries",
        GROUP,
        "A percentile of all series at each time.",
        &[SERIES, needed("n", Type::Float), optional("interpolate", Type::Boolean, "false")],
        percentile_of,
    ),
    spec(
        "groupByNode",
        GROUP,
        "One series for each value of a node of the name.",
        &[SERIES, needed("nodeNum", Type::NodeOrTag), optional("callback", Type::Aggregation, "\"average\"")],
        |c, a| {
            let callback = name_of(a, 2, "average");
            let nodes = a.values(1).to_vec();
            group_by(c, a.series(0), &callback, |series| key_of(series, &nodes))
        },
    ),
    spec(
        "groupByNodes",
        GROUP,
        "One series for each combination of values of some nodes of the name.",
        &[SERIES, needed("callback", Type::Aggregation), many("nodes", Type::NodeOrTag)],
        |c, a| {
            let (callback, nodes) = (name_of(a, 1, "average"), a.values(2).to_vec());
            group_by(c, a.series(0), &callback, |series| key_of(series, &nodes))
        },
    ),
    spec(
        "groupByTags",
        GROUP,
        "One series for each combination of values of some tags.",
        &[SERIES, needed("callback", Type::Aggregation), many("tags", Type::Tag)],
        by_tags,
    ),
    spec(
        "aggregateWithWildcards",
        GROUP,
        "One series for each name without some of its nodes.",
        &[SERIES, needed("func", Type::Aggregation), many("positions", Type::Node)],
        |c, a| {
            let name = name_of(a, 1, "sum");
            without_nodes(c, a, &name, 2)
        },
    ),
    spec(
        "sumSeriesWithWildcards",
        GROUP,
        "A sum for each name without some of its nodes.",
        &[SERIES, many("position", Type::Node)],
        |c, a| without_nodes(c, a, "sum", 1),
    ),
    spec(
        "averageSeriesWithWildcards",
        GROUP,
        "A mean for each name without some of its nodes.",
        &[SERIES, many("position", Type::Node)],
        |c, a| without_nodes(c, a, "average", 1),
    ),
    spec(
        "divideSeries",
        GROUP,
        "Each series divided by another one.",
        &[needed("dividendSeriesList", Type::SeriesList), needed("divisorSeries", Type::SeriesList)],
        divide,
    ),
    spec(
        "asPercent",
        GROUP,
        "Each series as percent of a total: of all of them, of another series, or of a number.",
        &[
            SERIES,
            optional("total", Type::Any, "null"),
            Param { name: "nodes", r#type: Type::NodeOrTag, default: Some("null"), is_multiple: true },
        ],
        as_percent,
    ),
];

fn name_of(args: &Args, place: usize, default: &str) -> String {
    args.text(place).unwrap_or(default).to_owned()
}

fn all_by(context: &Context, args: &mut Args, name: &str) -> Result<Vec<Series>, String> {
    by_factor(args.series(0), name, context.x_files_factor)
}

/// The expressions that series came from, each once.
fn expressions(series: &[Series]) -> String {
    let mut found: Vec<&str> = Vec::new();
    for each in series {
        if !found.contains(&each.expression.as_str()) {
            found.push(&each.expression);
        }
    }
    found.join(",")
}

/// One series of all.
pub(super) fn by_factor(mut series: Vec<Series>, name: &str, factor: f64) -> Result<Vec<Series>, String> {
    let name = name.strip_suffix("Series").unwrap_or(name);
    let aggregation = Aggregation::from_name(name).ok_or_else(|| format!("unsupported aggregation `{name}`"))?;
    let Some(times) = normalize(&mut series) else { return Ok(Vec::new()) };
    let called = format!("{name}Series({})", expressions(&series));
    let value = |row: &Vec<Option<f64>>| if are_enough(row, factor) { aggregation.of(row) } else { None };
    let values = rows(&series).iter().map(value).collect();
    let mut tags = series[0].tags.clone();
    tags.retain(|tag, value| series.iter().all(|series| series.tags.get(tag) == Some(value)));
    tags.entry("name".to_owned()).or_insert_with(|| called.clone());
    tags.insert("aggregatedBy".to_owned(), name.to_owned());
    Ok(vec![Series { tags, x_files_factor: factor, ..Series::new(called, times, values) }])
}

fn multiply(context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let series = args.series(0);
    if series.len() == 1 { Ok(series) } else { by_factor(series, "multiply", context.x_files_factor) }
}

fn count(context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let mut series = args.series(0);
    let Some(times) = normalize(&mut series) else { return Ok(Vec::new()) };
    let called = format!("countSeries({})", expressions(&series));
    let values = rows(&series).iter().map(|row| Some(row.len() as f64)).collect();
    Ok(vec![Series { x_files_factor: context.x_files_factor, ..Series::new(called, times, values) }])
}

fn percentile_of(context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (percent, is_interpolated) = (args.number(1).unwrap_or_default(), args.is_true(2));
    if percent <= 0.0 {
        return Err("the percentile must be greater than 0".to_owned());
    }
    let mut series = args.series(0);
    let Some(times) = normalize(&mut series) else { return Ok(Vec::new()) };
    let called = format!("percentileOfSeries({},{})", series[0].expression, general(percent));
    let values = rows(&series).iter().map(|row| percentile(row, percent, is_interpolated)).collect();
    Ok(vec![Series { x_files_factor: context.x_files_factor, ..Series::new(called, times, values) }])
}

/// Series by their keys, in the order of the first of each.
fn groups(series: Vec<Series>, key: impl Fn(&Series) -> String) -> Vec<(String, Vec<Series>)> {
    let mut groups: Vec<(String, Vec<Series>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for series in series {
        let key = key(&series);
        let place = *places.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, group)) => group.push(series),
            None => groups.push((key, vec![series])),
        }
    }
    groups
}

fn group_by(
    context: &Context,
    series: Vec<Series>,
    callback: &str,
    key: impl Fn(&Series) -> String,
) -> Result<Vec<Series>, String> {
    // What the callback is called when it is a function: `avg` is `averageSeries`.
    let name = match callback {
        "avg" => "average",
        other => other,
    };
    let mut made = Vec::new();
    for (key, group) in groups(series, key) {
        let one = match (name, group.len()) {
            ("multiply" | "multiplySeries", 1) if name == "multiplySeries" => group,
            _ => by_factor(group, name, context.x_files_factor)?,
        };
        made.extend(one.into_iter().map(|series| Series { name: key.clone(), ..series }));
    }
    Ok(made)
}

fn by_tags(context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let callback = name_of(args, 1, "average");
    let tags: Vec<String> = args
        .values(2)
        .iter()
        .filter_map(|value| if let Value::Text(tag) = value { Some(tag.clone()) } else { None })
        .collect();
    let series = args.series(0);
    let mut names: Vec<&str> = series.iter().filter_map(|series| series.tags.get("name").map(String::as_str)).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let common = if names.len() == 1 { names[0].to_owned() } else { callback.clone() };
    let is_by_name = tags.iter().any(|tag| tag == "name");
    let tag = |series: &Series, tag: &str| series.tags.get(tag).cloned().unwrap_or_default();
    let key = |series: &Series| {
        let name = if is_by_name { tag(series, "name") } else { common.clone() };
        let mut pairs: Vec<String> =
            tags.iter().filter(|key| *key != "name").map(|key| format!("{key}={}", tag(series, key))).collect();
        pairs.sort_unstable();
        std::iter::once(name).chain(pairs).collect::<Vec<_>>().join(";")
    };
    let made = group_by(context, series, &callback, key)?;
    Ok(made
        .into_iter()
        .map(|series| {
            let tags = Series::new(series.name.clone(), (0, 0, 1), Vec::new()).tags;
            Series { expression: series.name.clone(), tags, ..series }
        })
        .collect())
}

fn without_nodes(context: &Context, args: &mut Args, name: &str, place: usize) -> Result<Vec<Series>, String> {
    let positions: Vec<i64> = args
        .values(place)
        .iter()
        .filter_map(|value| if let Value::Integer(at) = value { Some(*at) } else { None })
        .collect();
    group_by(context, args.series(0), name, |series| {
        let nodes = series.name.split('.').enumerate().filter(|(at, _)| !positions.contains(&(*at as i64)));
        nodes.map(|(_, node)| node).collect::<Vec<_>>().join(".")
    })
}

fn divided(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    let (a, b) = (a?, b?);
    (b != 0.0).then(|| a / b)
}

/// Two series at their common step, row by row.
fn paired(
    a: &Series,
    b: &Series,
    name: String,
    factor: f64,
    of: impl Fn(Option<f64>, Option<f64>) -> Option<f64>,
) -> Series {
    let mut both = [a.clone(), b.clone()];
    let times = normalize(&mut both).unwrap_or((a.start, a.end, a.step));
    let values = rows(&both).iter().map(|row| of(row[0], row[1])).collect();
    Series { x_files_factor: factor, ..Series::new(name, times, values) }
}

fn divide(context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let (dividends, divisors) = (args.series(0), args.series(1));
    let divisor = match divisors.as_slice() {
        [] => {
            let missing = |series: Series| {
                let name = format!("divideSeries({},MISSING)", series.name);
                let values = vec![None; series.values.len()];
                Series { values, ..series }.renamed(name)
            };
            return Ok(dividends.into_iter().map(missing).collect());
        }
        [divisor] => divisor,
        more => return Err(format!("the divisor must be exactly one series, not {}", more.len())),
    };
    let quotient = |series: &Series| {
        let name = format!("divideSeries({},{})", series.name, divisor.name);
        paired(series, divisor, name, context.x_files_factor, divided)
    };
    Ok(dividends.iter().map(quotient).collect())
}

fn percent(value: Option<f64>, total: Option<f64>) -> Option<f64> {
    divided(value, total).map(|share| share * 100.0)
}

fn as_percent(context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let factor = context.x_files_factor;
    let nodes = args.values(2).to_vec();
    let total = args.value(1).cloned();
    let mut series = args.series(0);
    if normalize(&mut series).is_none() {
        return Ok(Vec::new());
    }
    if !nodes.is_empty() {
        return percent_by_nodes(series, total, &nodes, factor);
    }
    let of_all = |series: &[Series], totals: &[Option<f64>], text: &str| {
        let made = series.iter().map(|series| {
            let (points, longest) = (series.points(), series.points().len().max(totals.len()));
            let at = |of: &[Option<f64>], row: usize| of.get(row).copied().flatten();
            let values = (0..longest).map(|row| percent(at(&points, row), at(totals, row))).collect();
            let text = if text.is_empty() { &series.expression } else { text };
            let times = (series.start, series.end, series.step);
            let name = format!("asPercent({},{text})", series.name);
            Series { x_files_factor: factor, ..Series::new(name, times, values) }
        });
        made.collect::<Vec<_>>()
    };
    match total {
        None => {
            let totals: Vec<_> = rows(&series).iter().map(|row| Aggregation::Sum.of(row)).collect();
            let text = format!("sumSeries({})", expressions(&series));
            Ok(of_all(&series, &totals, &text))
        }
        Some(Value::Series(totals)) if totals.len() == series.len() => {
            let by_name = |list: &[Series]| {
                let mut sorted = list.to_vec();
                sorted.sort_by(|a, b| a.name.cmp(&b.name));
                sorted
            };
            let pairs = by_name(&series).into_iter().zip(by_name(&totals));
            Ok(pairs
                .map(|(a, b)| paired(&a, &b, format!("asPercent({},{})", a.name, b.name), factor, percent))
                .collect())
        }
        Some(Value::Series(totals)) if totals.len() == 1 => {
            let count = series.len();
            series.extend(totals);
            normalize(&mut series);
            let total = series.split_off(count).remove(0);
            Ok(of_all(&series, &total.points(), &total.name))
        }
        Some(Value::Series(totals)) => Err(format!(
            "the total must be one series, or as many as there are ({}), or a number; it is {} series",
            series.len(),
            totals.len()
        )),
        Some(value) => {
            let (number, text) = match value {
                Value::Integer(number) => (number as f64, number.to_string()),
                Value::Float(number) => (number, shortest(number)),
                _ => return Err("the total must be series or a number".to_owned()),
            };
            let length = series.first().map_or(0, |series| series.points().len());
            Ok(of_all(&series, &vec![Some(number); length], &text))
        }
    }
}

/// The sum of a group, or the only series in it.
fn sum_of(mut group: Vec<Series>, factor: f64) -> Option<Series> {
    if group.len() == 1 {
        return group.pop();
    }
    let times = normalize(&mut group)?;
    let values = rows(&group).iter().map(|row| Aggregation::Sum.of(row)).collect();
    let name = format!("sumSeries({})", expressions(&group));
    Some(Series { x_files_factor: factor, ..Series::new(name, times, values) })
}

fn percent_by_nodes(
    series: Vec<Series>,
    total: Option<Value>,
    nodes: &[Value],
    factor: f64,
) -> Result<Vec<Series>, String> {
    let of_series = groups(series, |series| key_of(series, nodes));
    let of_totals = match total {
        None => of_series.clone(),
        Some(Value::Series(totals)) => groups(totals, |series| key_of(series, nodes)),
        Some(_) => return Err("with nodes the total must be series".to_owned()),
    };
    let mut keys: Vec<String> = of_series.iter().map(|(key, _)| key.clone()).collect();
    keys.extend(of_totals.iter().map(|(key, _)| key.clone()).filter(|key| of_series.iter().all(|(k, _)| k != key)));
    let sums = of_totals.into_iter().filter_map(|(key, group)| Some((key, sum_of(group, factor)?)));
    let totals: BTreeMap<String, Series> = sums.collect();
    let mut made = Vec::new();
    for key in keys {
        let total = totals.get(&key);
        let Some((_, group)) = of_series.iter().find(|(of, _)| *of == key) else {
            made.extend(total.map(|total| {
                let nothing = vec![None; total.points().len()];
                let times = (total.start, total.end, total.step);
                Series::new(format!("asPercent(MISSING,{})", total.name), times, nothing)
            }));
            continue;
        };
        made.extend(group.iter().map(|series| match total {
            Some(total) => paired(series, total, format!("asPercent({},{})", series.name, total.name), factor, percent),
            None => {
                let nothing = vec![None; series.points().len()];
                let times = (series.start, series.end, series.step);
                Series::new(format!("asPercent({},MISSING)", series.name), times, nothing)
            }
        }));
    }
    Ok(made)
}

/// The path that a name is made of, for nodes of a name that is a call.
pub(super) fn path_of(series: &Series) -> String {
    if series.name.ends_with(')') {
        first_path(&series.name).unwrap_or_else(|| series.name.clone())
    } else {
        series.name.clone()
    }
}
