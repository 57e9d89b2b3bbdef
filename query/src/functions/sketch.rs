//! Percentiles that are right over hours and hosts: `sketch_quantile(sketch_merge(sketch), 0.99)`.
//!
//! A sketch is a DDSketch in the encoding of the column `sketch` of `metrics` (that of sketches-java): any
//! quantile within 1 % of the value. Percentiles of percentiles are not; sketches merge without loss.
use super::documents;
use arrow::array::{ArrayRef, BinaryArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::{as_binary_array, as_float64_array};
use datafusion::common::{DataFusionError, ScalarValue, exec_datafusion_err, plan_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, create_udaf,
};
use sketches_ddsketch::DDSketch;
use std::fmt;
use std::sync::Arc;

/// Bytes of one bin in memory.
const BIN_BYTES: usize = 8;

/// `sketch_merge(sketch) -> binary`: one sketch of all of them. Null where there is none.
pub(super) fn merge() -> AggregateUDF {
    let binary = Arc::new(DataType::Binary);
    let new = Arc::new(|_: AccumulatorArgs| Ok(Box::new(Merge::default()) as Box<dyn Accumulator>));
    let state = Arc::new(vec![DataType::Binary]);
    create_udaf("sketch_merge", vec![DataType::Binary], binary, Volatility::Immutable, new, state)
}

/// `sketch_quantile(sketch, q) -> double`, with `q` from 0 to 1. Null where either is, or the sketch is empty.
pub(super) fn quantile() -> ScalarUDF {
    let arguments = vec![DataType::Binary, DataType::Float64];
    ScalarUDF::new_from_impl(Quantile { signature: Signature::exact(arguments, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantile {
    signature: Signature,
}

impl ScalarUDFImpl for Quantile {
    fn name(&self) -> &str {
        "sketch_quantile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(self.name())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    /// A constant that is wrong is wrong without any row.
    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let [_, Some(q)] = arguments.scalar_arguments
            && let Ok(ScalarValue::Float64(Some(q))) = q.cast_to(&DataType::Float64)
            && !is_quantile(q)
        {
            return Err(no_quantile(q));
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        quantiles(&call.args)
    }
}

fn is_quantile(q: f64) -> bool {
    (0.0..=1.0).contains(&q)
}

fn no_quantile(q: f64) -> DataFusionError {
    plan_datafusion_err!("sketch_quantile: the second argument is from 0 to 1, {q} is not")
}

#[derive(Default)]
struct Merge(Option<DDSketch>);

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Merge").field(&self.0.as_ref().map(DDSketch::count)).finish()
    }
}

impl Merge {
    fn add(&mut self, sketches: &BinaryArray) -> Result<()> {
        for bytes in sketches.iter().flatten() {
            let sketch = decode(bytes)?;
            match &mut self.0 {
                None => self.0 = Some(sketch),
                Some(merged) => {
                    let outcome = merged.merge(&sketch);
                    outcome.map_err(|_| exec_datafusion_err!("sketches of different accuracy cannot be merged"))?;
                }
            }
        }
        Ok(())
    }

    fn encoded(&self) -> ScalarValue {
        ScalarValue::Binary(self.0.as_ref().map(DDSketch::to_java_bytes))
    }
}

impl Accumulator for Merge {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.iter().try_for_each(|values| self.add(as_binary_array(values)?))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.encoded()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.encoded())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.as_ref().map_or(0, |sketch| sketch.length() * BIN_BYTES)
    }
}

fn quantiles(arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    let is_scalar = arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    let (sketches, quantiles) = (as_binary_array(&arrays[0])?, as_float64_array(&arrays[1])?);
    let found: Float64Array =
        sketches.iter().zip(quantiles).map(|(sketch, q)| quantile_of(sketch, q)).collect::<Result<_>>()?;
    match is_scalar {
        true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?)),
        false => Ok(ColumnarValue::Array(Arc::new(found))),
    }
}

fn quantile_of(sketch: Option<&[u8]>, q: Option<f64>) -> Result<Option<f64>> {
    let (Some(sketch), Some(q)) = (sketch, q) else { return Ok(None) };
    if !is_quantile(q) {
        return Err(no_quantile(q));
    }
    decode(sketch)?.quantile(q).map_err(|_| no_quantile(q))
}

fn decode(bytes: &[u8]) -> Result<DDSketch> {
    DDSketch::from_java_bytes(bytes).map_err(|error| exec_datafusion_err!("not a sketch: {error}"))
}
