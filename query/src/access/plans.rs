//! What a reader of some loggers may see of how a query runs: what is to be done, but not what was found on the way there.
use super::Rights;
use crate::error::{Error, Kind};
use datafusion::common::format::ExplainFormat;
use datafusion::logical_expr::LogicalPlan;

/// Refuses plans that would tell how much was read of rows that are not seen.
///
/// # Errors
/// [`Kind::Forbidden`].
pub(crate) fn check(plan: &LogicalPlan, rights: &Rights) -> Result<(), Error> {
    if !rights.is_restricted() {
        return Ok(());
    }
    let is_plain = match plan {
        LogicalPlan::Analyze(_) => false,
        LogicalPlan::Explain(explain) => {
            !explain.verbose && explain.explain_format == ExplainFormat::Indent && explain.show_statistics != Some(true)
        }
        _ => true,
    };
    if !is_plain {
        let message = "a user who sees some loggers only can EXPLAIN a query, but not ANALYZE it, nor with VERBOSE, \
                       STATISTICS or another FORMAT: counts would tell of the rows of other loggers";
        return Err(Error::new(Kind::Forbidden, message));
    }
    plan.inputs().into_iter().try_for_each(|input| check(input, rights))
}
