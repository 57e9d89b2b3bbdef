//! The SQL functions that a query may use: DataFusion's by an allow-list ([`listed`]), each within a bound on what one
//! call may make ([`growth`]), and metlog's own.
//!
//! **Invariant.** A function that nobody looked at is not there: an upgrade of DataFusion adds nothing unseen. A test
//! compares the list with DataFusion's registry, in both directions.
mod attributes;
mod documents;
mod extreme;
mod formats;
mod growth;
mod json;
pub(crate) mod listed;
pub(crate) mod of_others;
mod regex;
mod regex_list;
mod sketch;
mod time;
pub(crate) mod trace_calls;
mod trace_tree;
mod types;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use listed::{AGGREGATE, Growth, HIGHER_ORDER, Listed, SCALAR, TABLE, Verdict, WINDOW};
use std::sync::Arc;

/// Functions that are not DataFusion's.
fn own_scalar() -> Vec<Arc<ScalarUDF>> {
    let extract = growth::guarded(Arc::new(regex::extract()), Growth::Text);
    let others = [
        extract,
        Arc::new(regex_list::like()),
        Arc::new(sketch::quantile()),
        Arc::new(time::bucket()),
        Arc::new(attributes::values()),
        Arc::new(attributes::names()),
    ];
    json::functions().into_iter().chain(others).collect()
}

fn own_aggregate() -> Vec<Arc<AggregateUDF>> {
    [sketch::merge(), extreme::arg_max(), extreme::arg_min(), trace_calls::function(), trace_tree::function()]
        .map(Arc::new)
        .to_vec()
}

/// DataFusion's defaults with the functions that are allowed, guarded, and with metlog's own.
pub(crate) fn allowed(mut defaults: SessionStateBuilder) -> SessionStateBuilder {
    let scalar = defaults.scalar_functions().take().unwrap_or_default().into_iter();
    let scalar = scalar.filter_map(|function| match verdict(SCALAR, function.name())? {
        Verdict::Allowed(growth) => Some(growth::guarded(function, growth)),
        Verdict::Refused(_) => None,
    });
    let scalar: Vec<_> = scalar.chain(own_scalar()).collect();
    let mut aggregate = defaults.aggregate_functions().take().unwrap_or_default();
    aggregate.retain(|function| is_allowed(AGGREGATE, function.name()));
    aggregate.extend(own_aggregate());
    let mut window = defaults.window_functions().take().unwrap_or_default();
    window.retain(|function| is_allowed(WINDOW, function.name()));
    let mut higher_order = defaults.higher_order_functions().take().unwrap_or_default();
    higher_order.retain(|function| is_allowed(HIGHER_ORDER, function.name()));
    let mut table = defaults.table_functions().take().unwrap_or_default();
    table.retain(|name, _| is_allowed(TABLE, name));
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(growth::Operators::new())];
    planners.extend(defaults.expr_planners().take().unwrap_or_default());
    defaults
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregate)
        .with_window_functions(window)
        .with_higher_order_functions(higher_order)
        .with_table_functions(table)
        .with_expr_planners(planners)
        .with_type_planner(Arc::new(types::SqlTypes))
}

fn verdict(list: &'static [Listed], name: &str) -> Option<Verdict> {
    list.iter().find(|listed| listed.name == name).map(|listed| listed.verdict)
}

fn is_allowed(list: &'static [Listed], name: &str) -> bool {
    matches!(verdict(list, name), Some(Verdict::Allowed(_)))
}
