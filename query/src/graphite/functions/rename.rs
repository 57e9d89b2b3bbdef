//! Functions that change what series are called.
use super::super::series::Series;
use super::super::target::{self, Expression};
use super::combine::path_of;
use super::{Args, Context, SERIES, Spec, Type, Value, many, needed, optional, spec};
use regex::{Regex, RegexBuilder};

/// Memory of a pattern that is compiled, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

pub(super) const ALL: &[Spec] = &[
    spec("alias", "Alias", "Calls the series as given.", &[SERIES, needed("newName", Type::Text)], |_, a| {
        let name = a.text(1).unwrap_or_default().to_owned();
        Ok(a.series(0).into_iter().map(|series| Series { name: name.clone(), ..series }).collect())
    }),
    spec(
        "aliasSub",
        "Alias",
        "Replaces what a regular expression finds in the names; \\1 is its first group.",
        &[SERIES, needed("search", Type::Text), needed("replace", Type::Text)],
        |_, a| {
            let (regex, replacement) =
                (compile(a.text(1).unwrap_or_default())?, replacement(a.text(2).unwrap_or_default()));
            let sub = |series: Series| {
                let name = regex.replace_all(&series.name, replacement.as_str()).into_owned();
                Series { name, ..series }
            };
            Ok(a.series(0).into_iter().map(sub).collect())
        },
    ),
    spec(
        "aliasByNode",
        "Alias",
        "Calls series by some nodes of their names, or by tags.",
        &[SERIES, many("nodes", Type::NodeOrTag)],
        by_nodes,
    ),
    spec("aliasByTags", "Alias", "Calls series by tags.", &[SERIES, many("tags", Type::NodeOrTag)], by_nodes),
    spec("aliasByMetric", "Alias", "Calls series by the last node of their names.", &[SERIES], |_, a| {
        Ok(a.series(0).into_iter().map(|series| substr(series, -1, 0)).collect())
    }),
    spec(
        "substr",
        "Special",
        "Calls series by a range of the nodes of their names.",
        &[SERIES, optional("start", Type::Node, "0"), optional("stop", Type::Node, "0")],
        |_, a| {
            let (start, stop) = (a.integer(1, 0), a.integer(2, 0));
            Ok(a.series(0).into_iter().map(|series| substr(series, start, stop)).collect())
        },
    ),
];

/// A regular expression of bounded size.
///
/// # Errors
/// Where it is none: look-around and references back are not supported.
pub(in super::super) fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| format!("invalid regular expression `{pattern}`: {}", error.to_string().replace('\n', " ")))
}

/// From `\1` to `${1}`.
fn replacement(text: &str) -> String {
    let (mut made, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['\\', '$']) {
        made.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        if rest.as_bytes()[at] == b'$' {
            made.push_str("$$");
            rest = behind;
            continue;
        }
        let digits = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let named = behind.strip_prefix("g<").and_then(|rest| rest.split_once('>'));
        rest = match named {
            _ if digits > 0 => {
                made.extend(["${", &behind[..digits], "}"]);
                &behind[digits..]
            }
            Some((name, rest)) => {
                made.extend(["${", name, "}"]);
                rest
            }
            None => {
                made.push('\\');
                behind
            }
        };
    }
    made + rest
}

fn by_nodes(_: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
    let nodes = args.values(1).to_vec();
    let named = |series: Series| Series { name: key_of(&series, &nodes), ..series };
    Ok(args.series(0).into_iter().map(named).collect())
}

/// Nodes of a name and values of tags, with dots between them.
pub(super) fn key_of(series: &Series, nodes: &[Value]) -> String {
    let path = path_of(series);
    let parts: Vec<&str> = path.split(';').next().unwrap_or_default().split('.').collect();
    let tag = |name: &str| series.tags.get(name).cloned().unwrap_or_default();
    let part = |node: &Value| match node {
        Value::Integer(at) => {
            let place = if *at < 0 { parts.len() as i64 + at } else { *at };
            let found = usize::try_from(place).ok().and_then(|place| parts.get(place));
            found.map_or_else(|| tag(&at.to_string()), |part| (*part).to_owned())
        }
        Value::Text(name) => tag(name),
        _ => String::new(),
    };
    nodes.iter().map(part).collect::<Vec<_>>().join(".")
}

/// The first path in a name that is a call.
pub(super) fn first_path(name: &str) -> Option<String> {
    let mut expression = target::parse(name).ok()?;
    loop {
        expression = match expression {
            Expression::Path(path) => return Some(path),
            Expression::Call(mut call) if !call.arguments.is_empty() => call.arguments.swap_remove(0),
            _ => return None,
        };
    }
}

/// A place in a list, from its end where it is negative.
fn place(at: i64, length: usize) -> usize {
    let at = if at < 0 { length as i64 + at } else { at };
    at.clamp(0, length as i64) as usize
}

fn substr(series: Series, start: i64, stop: i64) -> Series {
    let left = series.name.rfind('(').map_or(0, |at| at + 1);
    let right = series.name.find(')').unwrap_or(series.name.len());
    let clean = series.name.get(left..right.max(left)).unwrap_or_default();
    let nodes: Vec<&str> = clean.split('.').collect();
    let from = place(start, nodes.len());
    let to = if stop == 0 { nodes.len() } else { place(stop, nodes.len()) };
    let name = nodes.get(from..to.max(from)).unwrap_or_default().join(".");
    let name = name.split(',').next().unwrap_or_default().to_owned();
    Series { name, ..series }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_replacements_are_those_of_python() {
        for (python, ours) in [("\\1-$x", "${1}-$$x"), ("a\\g<name>b", "a${name}b"), ("\\n", "\\n"), ("", "")] {
            assert_eq!(replacement(python), ours);
        }
        assert!(compile("(?=a)").is_err() && compile("a{1000}{1000}").is_err());
    }

    #[test]
    fn a_call_is_named_by_its_first_path() {
        assert_eq!(first_path("scale(sumSeries(a.b.*,c),2)").as_deref(), Some("a.b.*"));
        assert_eq!(first_path("constantLine(1)"), None);
    }
}
