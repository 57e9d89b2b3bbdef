//! `/metrics/find`, `/metrics/expand`, `/metrics/index.json`, `/functions` and `/version`: what there is.
use super::names::FIND_HOURS;
use super::request::{Parameters, Refusal, json};
use super::tree::{Found, Tree};
use super::{Graphite, functions, seconds_now};
use crate::access::Rights;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most names of a result.
const FOUND_MAX: usize = 100_000;
/// Formats of `/metrics/find`.
const FORMATS: [&str; 4] = ["treejson", "json", "nodelist", "completer"];
/// The version of graphite-web whose behaviour this is.
const VERSION: &str = "1.1.10";

/// The names of the time that is asked for.
pub(super) async fn tree(graphite: &Graphite, rights: Rights, parameters: &Parameters) -> Result<Arc<Tree>, Refusal> {
    let real_now = seconds_now();
    let now = parameters.now(real_now)?;
    let until = parameters.time("until", now)?.unwrap_or(now);
    let from = parameters.time("from", now)?.unwrap_or(until - FIND_HOURS * 3_600);
    let from = from.max(until - super::names::RENDER_HOURS_MAX * 3_600);
    Ok(graphite.names.tree(&graphite.rows(rights), from, until, real_now).await?)
}

fn too_many() -> Refusal {
    Refusal::request(format!("more than {FOUND_MAX} names; ask for a part of them"))
}

fn search(tree: &Tree, query: &str) -> Result<Vec<Found>, Refusal> {
    let found = tree.find(query, FOUND_MAX).map_err(Refusal::request)?;
    if found.len() > FOUND_MAX { Err(too_many()) } else { Ok(found) }
}

pub(super) async fn find(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    query_of(&parameters)?;
    let tree = tree(&graphite, rights, &parameters).await?;
    Ok(json(&found(&tree, &parameters)?))
}

fn query_of(parameters: &Parameters) -> Result<&str, Refusal> {
    match parameters.get("query") {
        None => Err(Refusal::request("Missing required parameter 'query'")),
        Some("") => Err(Refusal::request("Required parameter 'query' is empty")),
        Some(query) => Ok(query),
    }
}

/// Nodes that match, in the format that is asked for.
pub(super) fn found(tree: &Tree, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = query_of(parameters)?;
    let format = parameters.get("format").unwrap_or("treejson");
    if !FORMATS.contains(&format) {
        let why = format!("Invalid value for 'format' parameter; there are {}", FORMATS.join(", "));
        return Err(Refusal::request(why));
    }
    let (has_wildcards, leaves_only) =
        (parameters.integer("wildcards", 0)? != 0, parameters.integer("leavesOnly", 0)? != 0);
    let base = query.rsplit_once('.').map_or(String::new(), |(base, _)| format!("{base}."));
    let has_variants = parameters.integer("automatic_variants", 0)? != 0;
    let asked = if format == "completer" { completed(query, has_variants) } else { query.to_owned() };
    let mut found = search(tree, &asked)?;
    found.retain(|found| found.leaf.is_some() || !leaves_only);
    found.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(match format {
        "treejson" => as_tree(&found, &base, has_wildcards),
        "json" => as_list(&found),
        "nodelist" => as_nodes(&found, parameters.integer("position", -1)?),
        _ => as_completions(&found, has_wildcards),
    })
}

/// What may follow on what was typed.
fn completed(query: &str, has_variants: bool) -> String {
    let mut query = query.replace("..", "*.");
    if !query.ends_with('*') {
        query.push('*');
    }
    let in_braces =
        |part: &str| if part.contains(',') && !part.contains('{') { format!("{{{part}}}") } else { part.to_owned() };
    if has_variants { query.split('.').map(in_braces).collect::<Vec<_>>().join(".") } else { query }
}

fn as_tree(found: &[Found], base: &str, has_wildcards: bool) -> Value {
    let node = |text: &str, is_leaf: bool| {
        let (leaf, branch) = (i32::from(is_leaf), i32::from(!is_leaf));
        let id = format!("{base}{text}");
        json!({"text": text, "id": id, "allowChildren": branch, "expandable": branch, "leaf": leaf, "context": {}})
    };
    let mut nodes = Vec::new();
    if has_wildcards && found.len() > 1 {
        nodes.push(node("*", found.iter().all(|found| found.leaf.is_some())));
    }
    let mut seen = BTreeSet::new();
    let once: Vec<&Found> = found.iter().filter(|found| seen.insert(found.name())).collect();
    let (leaves, branches): (Vec<&Found>, Vec<&Found>) = once.into_iter().partition(|found| found.leaf.is_some());
    nodes.extend(branches.iter().map(|found| node(found.name(), false)));
    nodes.extend(leaves.iter().map(|found| node(found.name(), true)));
    nodes.into()
}

fn as_list(found: &[Found]) -> Value {
    let mut sorted: Vec<&Found> = found.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let node = |found: &&Found| match found.leaf {
        Some(_) => json!({"path": found.path, "is_leaf": true, "intervals": []}),
        None => json!({"path": found.path, "is_leaf": false}),
    };
    sorted.iter().map(node).collect::<Vec<_>>().into()
}

fn as_nodes(found: &[Found], position: i64) -> Value {
    let node = |found: &Found| {
        let nodes: Vec<&str> = found.path.split('.').collect();
        let at = if position < 0 { nodes.len() as i64 + position } else { position };
        usize::try_from(at).ok().and_then(|at| nodes.get(at)).map(|node| (*node).to_owned())
    };
    let nodes: BTreeSet<String> = found.iter().filter_map(node).collect();
    json!({ "nodes": nodes })
}

fn as_completions(found: &[Found], has_wildcards: bool) -> Value {
    let one = |found: &Found| {
        let is_leaf = found.leaf.is_some();
        let path = if is_leaf { found.path.clone() } else { format!("{}.", found.path) };
        json!({"path": path, "name": found.name(), "is_leaf": if is_leaf { "1" } else { "0" }})
    };
    let mut metrics: Vec<Value> = found.iter().map(one).collect();
    if has_wildcards && metrics.len() > 1 {
        metrics.push(json!({"name": "*"}));
    }
    json!({ "metrics": metrics })
}

pub(super) async fn expand(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let tree = tree(&graphite, rights, &parameters).await?;
    Ok(json(&expanded(&tree, &parameters)?))
}

/// Paths that match, of all queries or by query.
pub(super) fn expanded(tree: &Tree, parameters: &Parameters) -> Result<Value, Refusal> {
    let (by_query, leaves_only) =
        (parameters.integer("groupByExpr", 0)? != 0, parameters.integer("leavesOnly", 0)? != 0);
    let mut results: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for query in parameters.all("query") {
        let found = search(tree, &query)?.into_iter().filter(|found| found.leaf.is_some() || !leaves_only);
        let paths = found.map(|found| found.path).collect();
        results.insert(query, paths);
    }
    Ok(if by_query {
        json!({ "results": results })
    } else {
        json!({ "results": results.into_values().flatten().collect::<BTreeSet<String>>() })
    })
}

pub(super) async fn index(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let tree = tree(&graphite, rights, &parameters).await?;
    let mut paths = BTreeSet::new();
    for series in tree.series() {
        paths.extend(tree.leaves_of(series).into_iter().map(|leaf| leaf.path));
        if paths.len() > FOUND_MAX {
            return Err(too_many());
        }
    }
    Ok(json(&json!(paths)))
}

/// Those that targets may call, by name, or by group and name.
pub(super) async fn functions(parameters: Parameters) -> Response {
    let is_grouped =
        parameters.get("grouped").is_some_and(|text| ["1", "true"].contains(&text.to_lowercase().as_str()));
    let wanted = parameters.get("group");
    let mut all = serde_json::Map::new();
    let params = json!([{"name": "tagExpressions", "type": "string", "required": true, "multiple": true}]);
    let by_tag = json!({
        "name": "seriesByTag", "function": "seriesByTag(tagExpressions)", "description": "Series by their tags.",
        "module": "metlog", "group": "Special", "params": params,
    });
    let specs = functions::all().map(functions::Spec::described).chain([by_tag]);
    for info in specs.filter(|info| wanted.is_none_or(|group| info["group"] == group)) {
        let (Some(name), Some(group)) = (info["name"].as_str(), info["group"].as_str()) else { continue };
        let (name, group) = (name.to_owned(), group.to_owned());
        if is_grouped {
            all.entry(group).or_insert_with(|| json!({}))[&name] = info;
        } else {
            all.insert(name, info);
        }
    }
    json(&all.into())
}

pub(super) async fn function(Path(name): Path<String>) -> Result<Response, Refusal> {
    let spec = functions::find(&name);
    spec.map(|spec| json(&spec.described()))
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("Function not found: {name}")))
}

pub(super) async fn version() -> Response {
    json(&VERSION.into())
}
