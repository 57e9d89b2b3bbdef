//! `arg_max(x, y)` and `arg_min(x, y)`: the `x` of the row with the largest or smallest `y`. One row is kept, whatever
//! the number of rows; of rows that are equal any may be it. Rows without a `y` do not count; null where there is none.
use super::documents;
use arrow::array::{Array, ArrayRef};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{ScalarValue, exec_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, TypeSignature, Volatility,
};
use std::sync::Arc;

pub(super) fn arg_max() -> AggregateUDF {
    AggregateUDF::new_from_impl(Extreme::new("arg_max", "max_by", true))
}

pub(super) fn arg_min() -> AggregateUDF {
    AggregateUDF::new_from_impl(Extreme::new("arg_min", "min_by", false))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    name: &'static str,
    aliases: Vec<String>,
    is_largest: bool,
    signature: Signature,
}

impl Extreme {
    fn new(name: &'static str, alias: &str, is_largest: bool) -> Extreme {
        // Any two; the first form is the one that SHOW FUNCTIONS shows.
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let forms = vec![TypeSignature::Exact(vec![DataType::Utf8, time]), TypeSignature::Any(2)];
        Extreme {
            name,
            aliases: vec![alias.to_owned()],
            is_largest,
            signature: Signature::one_of(forms, Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(self.name())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let kinds: Vec<DataType> = arguments.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        let [value, order] = kinds.as_slice() else {
            return Err(exec_datafusion_err!("{} has two arguments", self.name));
        };
        let options = SortOptions { descending: !self.is_largest, nulls_first: true };
        Ok(Box::new(Best {
            rows: RowConverter::new(vec![SortField::new_with_options(order.clone(), options)])?,
            key: None,
            order: ScalarValue::try_from(order)?,
            value: ScalarValue::try_from(value)?,
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let named = |(field, part): (&FieldRef, &str)| {
            let name = format_state_name(arguments.name, part);
            Arc::new(Field::new(name, field.data_type().clone(), true))
        };
        Ok(arguments.input_fields.iter().zip(["value", "order"]).map(named).collect())
    }
}

/// The best row so far.
#[derive(Debug)]
struct Best {
    /// Makes keys that are ordered as bytes, for any type.
    rows: RowConverter,
    key: Option<OwnedRow>,
    order: ScalarValue,
    value: ScalarValue,
}

impl Accumulator for Best {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let [values, orders] = arrays else { return Ok(()) };
        let keys = self.rows.convert_columns(std::slice::from_ref(orders))?;
        let valid = (0..orders.len()).filter(|row| orders.is_valid(*row));
        // The first of those that are equal.
        let Some(best) = valid.reduce(|best, row| if keys.row(row) > keys.row(best) { row } else { best }) else {
            return Ok(());
        };
        if self.key.as_ref().is_none_or(|key| keys.row(best) > key.row()) {
            self.key = Some(keys.row(best).owned());
            self.order = ScalarValue::try_from_array(orders, best)?.compacted();
            self.value = ScalarValue::try_from_array(values, best)?.compacted();
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.order.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        let key = self.key.as_ref().map_or(0, |key| key.as_ref().len());
        size_of_val(self) + self.rows.size() + key + self.order.size() + self.value.size()
    }
}
