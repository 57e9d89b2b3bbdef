//! How much a short query can become. What `WITH` names is planned anew wherever it is named, `CUBE` of n columns is
//! 2^n groupings, and a number can ask for room: so what a text expands to is bounded before it is planned.
use crate::error::{Error, Kind};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, GroupByWithModifier, ObjectName,
    Query, Select, Statement as Sql, Value, Visit, Visitor,
};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Most tables and subqueries, what `WITH` names written out wherever it is named.
const SIZE_MAX: usize = 400;
/// Most grouping sets of one `GROUP BY`.
const GROUPING_SETS_MAX: usize = 64;
/// Most centroids of an approximate percentile.
const CENTROIDS_MAX: usize = 10_000;

/// Looks at a query before it is planned.
///
/// # Errors
/// [`Kind::Limit`] for one whose tables and subqueries, written out, are too many, or whose grouping sets are.
pub(crate) fn check(statement: &Sql) -> Result<(), Error> {
    match statement.visit(&mut Expansion::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

pub(crate) fn too_large() -> Error {
    Error::new(Kind::Limit, "the query is too large: use fewer subqueries, unions and WITH clauses")
}

/// The queries that are open, from the outermost in.
#[derive(Default)]
struct Expansion(Vec<Open>);

#[derive(Default)]
struct Open {
    /// Tables and subqueries of its own and of what it names.
    size: usize,
    /// What its `WITH` names, by the address of the query, which is never followed.
    named: Vec<(*const Query, String)>,
    /// The sizes of those that were visited.
    sizes: HashMap<String, usize>,
}

impl Expansion {
    fn add(&mut self, size: usize) -> ControlFlow<Error> {
        let Some(open) = self.0.last_mut() else { return ControlFlow::Continue(()) };
        open.size = open.size.saturating_add(size);
        if open.size > SIZE_MAX { ControlFlow::Break(too_large()) } else { ControlFlow::Continue(()) }
    }
}

impl Visitor for Expansion {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        let named = with.map(|cte| (&raw const *cte.query, cte.alias.name.value.to_lowercase())).collect();
        self.0.push(Open { size: 1, named, sizes: HashMap::new() });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let size = self.0.pop().map_or(0, |open| open.size);
        if let Some(outer) = self.0.last_mut()
            && let Some(at) = outer.named.iter().position(|(address, _)| std::ptr::eq(*address, query))
        {
            outer.sizes.insert(outer.named.swap_remove(at).1, size);
            return ControlFlow::Continue(());
        }
        self.add(size)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        let name = relation.to_string().replace('"', "").to_lowercase();
        let size = self.0.iter().rev().find_map(|open| open.sizes.get(&name)).copied();
        self.add(size.unwrap_or(1))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        match grouping_sets(select) {
            ..=GROUPING_SETS_MAX => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Error::new(
                Kind::Limit,
                format!("GROUP BY has more than {GROUPING_SETS_MAX} grouping sets: CUBE of n columns has 2^n of them"),
            )),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Function(function) if has_many_centroids(function) => ControlFlow::Break(Error::new(
                Kind::Limit,
                format!("{}: the number of centroids is a number up to {CENTROIDS_MAX}", function.name),
            )),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Each is planned and computed by itself.
fn grouping_sets(select: &Select) -> usize {
    let (columns, sets, modifiers) = match &select.group_by {
        GroupByExpr::All(modifiers) => (select.projection.len(), 1, modifiers),
        GroupByExpr::Expressions(columns, modifiers) => (columns.len(), product(columns), modifiers),
    };
    let modified = modifiers.iter().map(|modifier| match modifier {
        GroupByWithModifier::Cube => cube(columns),
        GroupByWithModifier::Rollup => columns + 1,
        GroupByWithModifier::Totals => 2,
        GroupByWithModifier::GroupingSets(expr) => sets_of(expr),
    });
    modified.fold(sets, usize::saturating_mul)
}

fn product(exprs: &[Expr]) -> usize {
    exprs.iter().map(sets_of).fold(1, usize::saturating_mul)
}

/// Recurses, but never deeper than a text may be.
fn sets_of(expr: &Expr) -> usize {
    match expr {
        Expr::Cube(columns) => cube(columns.len()),
        Expr::Rollup(columns) => columns.len() + 1,
        Expr::GroupingSets(sets) => sets.iter().map(|set| product(set)).fold(0, usize::saturating_add),
        Expr::Nested(inner) => sets_of(inner),
        _ => 1,
    }
}

fn cube(columns: usize) -> usize {
    u32::try_from(columns).ok().and_then(|columns| 2usize.checked_pow(columns)).unwrap_or(usize::MAX)
}

/// Room is made for all of them at once.
fn has_many_centroids(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    let before = match name.as_str() {
        "approx_percentile_cont" => 2,
        "approx_percentile_cont_with_weight" => 3,
        _ => return false,
    };
    // WITHIN GROUP (ORDER BY …) names the first argument.
    let before = if function.within_group.is_empty() { before } else { before - 1 };
    let FunctionArguments::List(list) = &function.args else { return false };
    list.args.get(before).is_some_and(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
            Value::Number(number, _) => number.parse().is_ok_and(|number: usize| number > CENTROIDS_MAX),
            _ => false,
        },
        _ => true,
    })
}
