//! `/api/deep-dependencies`: the ways on which requests reach a service and go on from it, from its latest traces.
use super::Service;
use super::envelope::{Refusal, written};
use super::parameters::{Parameters, now};
use crate::Rights;
use crate::trace::find::Search;
use crate::trace::{Trace, tree};
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;

/// Traces that are looked at.
const TRACES_MAX: usize = 100;

/// Longest way.
const STEPS_MAX: usize = 64;

const LOOKBACK_NANOS: u64 = 48 * 3_600 * 1_000_000_000;

#[derive(Serialize, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    service: String,
    operation: String,
}

#[derive(Serialize)]
struct Way {
    path: Vec<Step>,
    attributes: Vec<Exemplar>,
}

#[derive(Serialize)]
struct Exemplar {
    key: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Ways {
    dependencies: Vec<Way>,
}

pub(super) async fn deep_dependencies(
    State(service): State<Service>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let focal = parameters.filled("service").unwrap_or_default();
    let until = now();
    let search = Search {
        service: Some(focal.to_owned()),
        from: until.saturating_sub(LOOKBACK_NANOS),
        until,
        limit: TRACES_MAX,
        ..Search::default()
    };
    let traces = service.traces(rights);
    let (ids, _) = traces.search(&search).await?;
    let mut ways: BTreeMap<Vec<Step>, String> = BTreeMap::new();
    for trace in traces.load(&ids).await?.traces() {
        collect(&trace, focal, &mut ways);
    }
    let way = |(path, trace): (Vec<Step>, String)| Way {
        path,
        attributes: vec![Exemplar { key: "exemplar_trace_id", value: trace }],
    };
    Ok(written(&Ways { dependencies: ways.into_iter().map(way).collect() }, &parameters))
}

/// Ways from roots to leaves that lead through a service; steps within one service are one.
fn collect(trace: &Trace, focal: &str, ways: &mut BTreeMap<Vec<Step>, String>) {
    let nodes = tree::of(trace);
    for leaf in nodes.iter().filter(|node| node.children == 0) {
        let mut path: Vec<Step> = Vec::new();
        let mut node = Some(leaf);
        while let Some(at) = node {
            let span = &trace.spans[at.span];
            match path.last_mut() {
                // From the leaf up: the operation at which a service was entered counts.
                Some(step) if step.service == span.service => step.operation.clone_from(&span.name),
                _ => path.push(Step { service: span.service.clone(), operation: span.name.clone() }),
            }
            node = at.parent.map(|parent| &nodes[parent]).filter(|_| path.len() < STEPS_MAX);
        }
        if path.iter().any(|step| step.service == focal) {
            path.reverse();
            ways.entry(path).or_insert_with(|| trace.id.short());
        }
    }
}
