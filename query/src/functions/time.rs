//! `time_bucket(interval, timestamp[, origin])`: the start of the interval that a time is in.
//!
//! It is `date_bin` with intervals counted from a Monday, so that weeks begin on Mondays; days, hours and shorter ones
//! begin where they do anyway. Months and years count from January 1970.
use super::documents;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// 1970-01-05, in nanoseconds since 1970-01-01.
const FIRST_MONDAY_NANOS: i64 = 4 * 86_400 * 1_000_000_000;

pub(super) fn bucket() -> ScalarUDF {
    ScalarUDF::new_from_impl(TimeBucket { inner: date_bin() })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(self.name())
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, mut call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [interval, time] = call.args.as_slice()
            && matches!(time.data_type(), DataType::Timestamp(..))
            && !has_months(interval)
        {
            let origin = ScalarValue::TimestampNanosecond(Some(FIRST_MONDAY_NANOS), Some("+00:00".into()));
            call.args.push(ColumnarValue::Scalar(origin));
            let kind = DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()));
            call.arg_fields.push(Arc::new(Field::new("origin", kind, false)));
        }
        self.inner.invoke_with_args(call)
    }
}

fn has_months(interval: &ColumnarValue) -> bool {
    matches!(interval, ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) if interval.months != 0)
}
