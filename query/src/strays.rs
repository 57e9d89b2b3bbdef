//! Rows of many hours in one object (`Partition::Unknown`): their `dt` and `hour` come from `timestamp`, and not from
//! the path. Such objects are never left out by a filter on the partition; their pages are, by their times.
use crate::warehouse::file_schema;
use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use metlog_schemas::object_path::Partition;
use metlog_schemas::table::{PARTITION_COLUMNS, Table};
use metlog_schemas::time::Hour;
use object_store::path::Path;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// True for the folder of a table that such objects are in.
pub(crate) fn is_folder(path: &Path) -> bool {
    let folder = Partition::Unknown.folder();
    let name = folder.split('/').next();
    path.parts().next_back().is_some_and(|part| Some(part.as_ref()) == name)
}

/// The plan that reads such objects, as wide as that of the others. `read` makes the plan that reads these columns of
/// the files.
///
/// # Errors
/// Where `projection` names a column that the table has not, or `read` fails.
pub(crate) fn scan(
    table: Table,
    projection: Option<&[usize]>,
    read: impl FnOnce(TableSchema, Vec<usize>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let whole = file_schema(table);
    let (schema, own) = (whole.table_schema(), table.schema());
    let wanted = projection.map_or_else(|| (0..schema.fields().len()).collect(), <[usize]>::to_vec);
    let time = own.index_of(table.definition().time)?;
    let mut columns: Vec<usize> = wanted.iter().copied().filter(|at| *at < own.fields().len()).collect();
    if columns.len() < wanted.len() && !columns.contains(&time) {
        columns.push(time);
    }
    let column = |at: usize| -> Result<Arc<dyn PhysicalExpr>> {
        let place = columns.iter().position(|column| *column == at);
        let place = place.ok_or_else(|| internal_datafusion_err!("column {at} is not read"))?;
        Ok(Arc::new(Column::new(own.field(at).name(), place)))
    };
    let expressions = wanted.iter().map(|at| {
        let expression = match at.checked_sub(own.fields().len()) {
            None => column(*at)?,
            Some(part) => Arc::new(PartOf { part, time: column(time)? }),
        };
        Ok((expression, schema.field(*at).name().clone()))
    });
    let expressions = expressions.collect::<Result<Vec<_>>>()?;
    let files = read(TableSchema::from(own), columns)?;
    Ok(Arc::new(ProjectionExec::try_new(expressions, files)?))
}

/// `dt` or `hour` of a time: which of [`PARTITION_COLUMNS`] it is.
#[derive(Debug, Clone, Eq)]
struct PartOf {
    part: usize,
    time: Arc<dyn PhysicalExpr>,
}

impl PartialEq for PartOf {
    fn eq(&self, other: &PartOf) -> bool {
        self.part == other.part && self.time.eq(&other.time)
    }
}

impl Hash for PartOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.part.hash(state);
        self.time.hash(state);
    }
}

impl fmt::Display for PartOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", PARTITION_COLUMNS.get(self.part).map_or("", |(name, _)| name), self.time)
    }
}

impl PhysicalExpr for PartOf {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        match PARTITION_COLUMNS.get(self.part) {
            Some((_, r#type)) => Ok(r#type.clone()),
            None => internal_err!("no partition column {}", self.part),
        }
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let times = self.time.evaluate(batch)?.into_array(batch.num_rows())?;
        let times = times.as_any().downcast_ref::<TimestampMicrosecondArray>();
        let times = times.ok_or_else(|| internal_datafusion_err!("a time of another type"))?;
        Ok(ColumnarValue::Array(match self.part {
            0 => dates(times.values()),
            _ => Arc::new(Int32Array::from_iter_values(
                times.values().iter().map(|time| Hour::of(*time).of_day() as i32),
            )),
        }))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.time]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.as_slice() {
            [time] => Ok(Arc::new(PartOf { part: self.part, time: Arc::clone(time) })),
            _ => internal_err!("one time is expected"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn dates(times: &[i64]) -> ArrayRef {
    let mut dates = StringBuilder::new();
    let mut last = (i64::MIN, String::new());
    for time in times {
        let hour = Hour::of(*time);
        if hour.days() != last.0 {
            last = (hour.days(), hour.date());
        }
        dates.append_value(&last.1);
    }
    Arc::new(dates.finish())
}
