//! The objects of `spans` in which a trace is, by the index that is stored beside them: no listing of the table, and no
//! look into objects that have none of it.
use crate::warehouse::{Object, Warehouse};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, Operator, col, lit};
use futures::{StreamExt, TryStreamExt};
use metlog_schemas::object_path::{ObjectPath, Partition};
use metlog_schemas::table::Table;
use metlog_schemas::time::Hour;
use metlog_schemas::trace_index::{self, IndexPath, UNKNOWN_HOUR};
use object_store::ObjectMeta;
use std::collections::BTreeSet;

const COLUMN: &str = "trace_id";
/// Traces that are looked up; for more the table is listed.
const TRACES_MAX: usize = 1_000;
/// Objects that are asked for at the same time.
const REQUESTS_AT_ONCE: usize = 32;

/// The traces that all rows of interest belong to, where the filters say it: `trace_id = '…'` or `trace_id in (…)`.
pub(crate) fn wanted(filters: &[Expr]) -> Option<BTreeSet<String>> {
    filters.iter().find_map(of_filter).filter(|ids| ids.len() <= TRACES_MAX)
}

fn of_filter(filter: &Expr) -> Option<BTreeSet<String>> {
    match filter {
        Expr::BinaryExpr(both) => match both.op {
            Operator::Eq if is_column(&both.left) => Some(BTreeSet::from([text(&both.right)?])),
            Operator::Eq if is_column(&both.right) => Some(BTreeSet::from([text(&both.left)?])),
            Operator::Or => {
                let mut ids = of_filter(&both.left)?;
                ids.append(&mut of_filter(&both.right)?);
                Some(ids)
            }
            Operator::And => of_filter(&both.left).or_else(|| of_filter(&both.right)),
            _ => None,
        },
        Expr::InList(list) if !list.negated && is_column(&list.expr) => list.list.iter().map(text).collect(),
        _ => None,
    }
}

fn is_column(of: &Expr) -> bool {
    match of {
        Expr::Column(column) => column.name == COLUMN,
        Expr::Cast(cast) => is_column(&cast.expr),
        _ => false,
    }
}

fn text(of: &Expr) -> Option<String> {
    match of {
        Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            _,
        ) => Some(text.clone()),
        _ => None,
    }
}

impl Warehouse {
    /// The objects that have spans of these traces; `None` where there is no index, or it cannot be read.
    ///
    /// # Errors
    /// What the store says, where the query is strict.
    pub(crate) async fn with_traces(
        &self,
        state: &dyn Session,
        ids: &BTreeSet<String>,
        first_segment: Option<u64>,
    ) -> Result<Option<Vec<Object>>> {
        let mut is_last_try = false;
        loop {
            let listed = self.indexes(first_segment).await?;
            if listed.is_empty() {
                return Ok(None);
            }
            match self.look_up(state, listed, ids).await {
                Ok(paths) => return self.existing(paths).await.map(Some),
                // Objects are merged, and then deleted: the next listing has what became of them.
                Err(_) if !is_last_try => {
                    self.forget_listings();
                    is_last_try = true;
                }
                Err(error) if self.gaps().is_strict() => return Err(error),
                Err(_) => return Ok(None),
            }
        }
    }

    /// The objects of the index that are to be read.
    async fn indexes(&self, first_segment: Option<u64>) -> Result<Vec<(IndexPath, ObjectMeta)>> {
        let listing = self.listing_of(trace_index::FOLDER, first_segment).await?;
        let parsed = listing.objects.iter().filter(|meta| meta.size > 0).filter_map(|meta| {
            let name = meta.location.filename()?;
            Some((IndexPath::parse(&format!("{}/{name}", trace_index::FOLDER))?, meta.clone()))
        });
        Ok(trace_index::current(parsed.collect(), |(path, _): &(IndexPath, ObjectMeta)| path).0)
    }

    async fn look_up(
        &self,
        state: &dyn Session,
        indexes: Vec<(IndexPath, ObjectMeta)>,
        ids: &BTreeSet<String>,
    ) -> Result<BTreeSet<ObjectPath>> {
        let schema = DFSchema::try_from(trace_index::schema().as_ref().clone())?;
        let is_wanted = col(COLUMN).in_list(ids.iter().map(|id| lit(id.as_str())).collect(), false);
        let predicate = state.create_physical_expr(is_wanted, &schema)?;
        let found = futures::stream::iter(indexes)
            .map(|(path, meta)| {
                let predicate = predicate.clone();
                async move {
                    let rows = self.rows_where(state, trace_index::schema(), meta, predicate).await?;
                    Ok::<_, DataFusionError>((path, rows))
                }
            })
            .buffer_unordered(REQUESTS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let paths = found.iter().flat_map(|(path, rows)| rows.iter().flat_map(move |rows| objects_of(path, rows)));
        Ok(paths.collect())
    }

    /// Those that are there: somebody may have deleted old ones.
    async fn existing(&self, paths: BTreeSet<ObjectPath>) -> Result<Vec<Object>> {
        let mut objects: Vec<Object> = futures::stream::iter(paths)
            .map(|path| self.find(path))
            .buffer_unordered(REQUESTS_AT_ONCE)
            .try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await?;
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }
}

fn objects_of<'r>(of: &'r IndexPath, rows: &'r RecordBatch) -> impl Iterator<Item = ObjectPath> + 'r {
    let number = |column: usize| rows.column(column).as_primitive::<Int64Type>();
    let (segments, hours) = (number(1), number(2));
    (0..rows.num_rows()).map(move |row| ObjectPath {
        table: Table::Spans,
        partition: match hours.value(row) {
            UNKNOWN_HOUR => Partition::Unknown,
            hour => Partition::Hour(Hour(hour)),
        },
        listener: of.listener.clone(),
        segment: segments.value(row).cast_unsigned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_name_traces_are_found() {
        let is = |id: &str| col(COLUMN).eq(lit(id));
        let ids = |of: &[&str]| Some(of.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>());
        let other = || col("name").eq(lit("x"));
        for (filters, expected) in [
            (vec![other(), is("a")], ids(&["a"])),
            (vec![lit("a").eq(col(COLUMN))], ids(&["a"])),
            (vec![is("a").or(is("b"))], ids(&["a", "b"])),
            (vec![is("a").and(other())], ids(&["a"])),
            (vec![col(COLUMN).in_list(vec![lit("a"), lit("b")], false)], ids(&["a", "b"])),
            (vec![is("a").or(other())], None),
            (vec![col(COLUMN).in_list(vec![lit("a")], true)], None),
            (vec![col(COLUMN).not_eq(lit("a"))], None),
            (vec![col(COLUMN).eq(col("name"))], None),
            (vec![], None),
        ] {
            assert_eq!(wanted(&filters), expected, "{filters:?}");
        }
    }
}
