//! From text to a plan that may run. What is not a query is refused, as a statement and once more as a plan.
use crate::error::{Error, Kind};
use crate::{depth, expansion, hints};
use datafusion::config::Dialect;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;

/// Longest query.
pub const SQL_BYTES_MAX: usize = 64 * 1024;

/// Plans a query.
///
/// # Errors
/// [`Kind::Sql`] with the place, [`Kind::ReadOnly`], [`Kind::Limit`] for a text that is too long.
pub(crate) async fn plan(state: &SessionState, sql: &str) -> Result<LogicalPlan, Error> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(Error::new(Kind::Limit, format!("the query is longer than {SQL_BYTES_MAX} bytes")));
    }
    depth::check_text(sql)?;
    let statement = state.sql_to_statement(sql, &Dialect::Generic).map_err(|error| at_the_end(error.into(), sql))?;
    match query_in(&statement) {
        Some(query) => expansion::check(query)?,
        None => return Err(refused()),
    }
    let plan = state.statement_to_plan(statement).await.map_err(|error| hints::explained(error, sql, state))?;
    depth::check_plan(&plan)?;
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(&plan).map_err(|_| refused())?;
    Ok(plan)
}

/// The parser gives no position where the end of the text is what it did not expect.
fn at_the_end(error: Error, sql: &str) -> Error {
    if error.position.is_some() || !error.message.ends_with("EOF") {
        return error;
    }
    let sql = sql.trim_end();
    let last = sql.lines().next_back().unwrap_or_default();
    Error { position: Some((sql.lines().count() as u64, last.chars().count() as u64 + 1)), ..error }
}

fn refused() -> Error {
    Error::new(Kind::ReadOnly, "only queries can be run: SELECT, EXPLAIN, DESCRIBE and SHOW")
}

/// The query, inside whatever explains it; none where the statement does something else.
fn query_in(statement: &Statement) -> Option<&Sql> {
    match statement {
        Statement::Statement(sql) => query_of(sql),
        Statement::Explain(explain) => query_in(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => None,
    }
}

fn query_of(sql: &Sql) -> Option<&Sql> {
    match sql {
        Sql::Explain { statement, .. } => query_of(statement),
        Sql::Query(_)
        | Sql::ExplainTable { .. }
        | Sql::ShowTables { .. }
        | Sql::ShowColumns { .. }
        | Sql::ShowFunctions { .. }
        | Sql::ShowVariable { .. } => Some(sql),
        _ => None,
    }
}
