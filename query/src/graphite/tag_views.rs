//! `/tags` and what is below it: tags, their values, series by tags, and what may be typed next.
use super::find::tree;
use super::functions::compile;
use super::request::{Parameters, Refusal, json};
use super::tags::{self, Tagged};
use super::tree::Tree;
use super::{Graphite, names};
use crate::access::Rights;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Suggestions unless the request says how many.
const SUGGESTIONS: i64 = 100;
/// Most that a request may ask for.
const LIST_MAX: i64 = names::SERIES_MAX as i64;

fn limit(parameters: &Parameters, default: i64) -> Result<usize, Refusal> {
    Ok(parameters.integer("limit", default)?.clamp(0, LIST_MAX) as usize)
}

/// A regular expression that a text is found by, or everything.
fn filter(parameters: &Parameters) -> Result<impl Fn(&str) -> bool, Refusal> {
    let regex = parameters.get("filter").map(|text| compile(&format!("^(?:{text})"))).transpose();
    let regex = regex.map_err(Refusal::request)?;
    Ok(move |text: &str| regex.as_ref().is_none_or(|regex| regex.is_match(text)))
}

pub(super) async fn tags(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    Ok(json(&listed(&*tree(&graphite, rights, &parameters).await?, &parameters)?))
}

/// All tags.
pub(super) fn listed(tree: &Tree, parameters: &Parameters) -> Result<Value, Refusal> {
    let (is_meant, limit) = (filter(parameters)?, limit(parameters, LIST_MAX)?);
    let all = tags::all(tree);
    let list: Vec<_> = all.iter().filter(|tag| is_meant(tag)).take(limit).map(|tag| json!({"tag": tag})).collect();
    Ok(list.into())
}

pub(super) async fn tag(
    State(graphite): State<Graphite>,
    Path(tag): Path<String>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    Ok(json(&of_tag(&*tree(&graphite, rights, &parameters).await?, &tag, &parameters)?))
}

/// Values of a tag.
pub(super) fn of_tag(tree: &Tree, tag: &str, parameters: &Parameters) -> Result<Value, Refusal> {
    let (is_meant, limit) = (filter(parameters)?, limit(parameters, LIST_MAX)?);
    let values = tags::values(tree, tag);
    if values.is_empty() {
        return Err(Refusal(StatusCode::NOT_FOUND, format!("no series has the tag `{tag}`")));
    }
    let values = values.iter().filter(|(value, _)| is_meant(value)).take(limit);
    let values: Vec<_> = values.map(|(value, count)| json!({"value": value, "count": count})).collect();
    Ok(json!({"tag": tag, "values": values}))
}

fn conditions(parameters: &Parameters) -> Result<Option<Tagged>, Refusal> {
    let expressions = parameters.all("expr");
    if expressions.is_empty() {
        return Ok(None);
    }
    Tagged::new(expressions.iter().map(String::as_str)).map(Some).map_err(Refusal::request)
}

pub(super) async fn find_series(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    Ok(json(&series(&*tree(&graphite, rights, &parameters).await?, &parameters)?))
}

/// Paths that fulfil conditions.
pub(super) fn series(tree: &Tree, parameters: &Parameters) -> Result<Value, Refusal> {
    let tagged = conditions(parameters)?.ok_or_else(|| Refusal::request("no tag expressions specified"))?;
    let paths: BTreeSet<String> = paths(&tagged, tree)?.into_iter().collect();
    Ok(json!(paths))
}

/// Paths that fulfil the conditions so far.
fn paths(tagged: &Tagged, tree: &Tree) -> Result<Vec<String>, Refusal> {
    Ok(tagged.find(tree).map_err(Refusal::request)?.into_iter().map(|leaf| leaf.path).collect())
}

fn tags_of(path: &str) -> &str {
    path.split_once(';').map_or("", |(_, tags)| tags)
}

pub(super) async fn complete_tags(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    Ok(json(&suggested_tags(&*tree(&graphite, rights, &parameters).await?, &parameters)?))
}

/// Tags that may be typed next.
pub(super) fn suggested_tags(tree: &Tree, parameters: &Parameters) -> Result<Value, Refusal> {
    let limit = limit(parameters, SUGGESTIONS)?;
    let prefix = parameters.get("tagPrefix").unwrap_or_default();
    let mut found: BTreeSet<String> = BTreeSet::new();
    match conditions(parameters)? {
        None => found.extend(tags::all(tree)),
        Some(tagged) => {
            for path in paths(&tagged, tree)? {
                let names = tags::pairs(tags_of(&path)).into_keys().chain(["name"]);
                found.extend(names.filter(|tag| !tagged.names(tag)).map(str::to_owned));
            }
        }
    }
    let found: Vec<_> = found.into_iter().filter(|tag| tag.starts_with(prefix)).take(limit).collect();
    Ok(json!(found))
}

pub(super) async fn complete_values(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    Ok(json(&suggested_values(&*tree(&graphite, rights, &parameters).await?, &parameters)?))
}

/// Values of a tag that may be typed next.
pub(super) fn suggested_values(tree: &Tree, parameters: &Parameters) -> Result<Value, Refusal> {
    let limit = limit(parameters, SUGGESTIONS)?;
    let tag = parameters.get("tag").filter(|tag| !tag.is_empty());
    let tag = tag.ok_or_else(|| Refusal::request("no tag specified"))?;
    let prefix = parameters.get("valuePrefix").unwrap_or_default();
    let mut found: BTreeSet<String> = BTreeSet::new();
    match conditions(parameters)? {
        None => found.extend(tags::values(tree, tag).into_keys()),
        Some(tagged) => {
            for path in paths(&tagged, tree)? {
                let own = tags::pairs(tags_of(&path));
                let value = if tag == "name" { Some(tags::name_of(&path)) } else { own.get(tag).copied() };
                found.extend(value.map(str::to_owned));
            }
        }
    }
    let found: Vec<_> = found.into_iter().filter(|value| value.starts_with(prefix)).take(limit).collect();
    Ok(json!(found))
}
