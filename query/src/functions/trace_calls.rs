//! `trace_calls(trace_id, span_id, parent_span_id, service, kind, status)`: who called whom, in SQL, for any number of traces.
//!
//! A join of spans with their parents needs a row of text for each span in memory. Here a span is 12 bytes, and its reference
//! to its parent 12 or 20: the service as a number, and 64 bits of a hash of trace and span. Two spans of ten million have the
//! same hash once in about 370,000 queries.
use crate::trace::find::text;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use calls::{Call, Calls, Spans};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_binary_array;
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};
use std::sync::Arc;

mod calls;

/// Its name: its state is as large as its input, so it is planned in its own way (`single`).
pub(crate) const NAME: &str = "trace_calls";

/// Arguments, in their order.
const ARGUMENTS: usize = 6;

pub(super) fn function() -> AggregateUDF {
    let new = Arc::new(|_: AccumulatorArgs| Ok(Box::new(Counting::default()) as Box<dyn Accumulator>));
    let state = Arc::new(vec![DataType::Binary]);
    create_udaf(NAME, vec![DataType::Utf8; ARGUMENTS], Arc::new(list()), Volatility::Immutable, new, state)
}

fn fields() -> Fields {
    let field = |name, of| Field::new(name, of, false);
    Fields::from(vec![
        field("parent", DataType::Utf8),
        field("child", DataType::Utf8),
        field("calls", DataType::Int64),
        field("errors", DataType::Int64),
    ])
}

fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Struct(fields()), true))
}

fn list() -> DataType {
    DataType::List(element())
}

#[derive(Debug, Default)]
struct Counting(Spans);

impl Accumulator for Counting {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns: Vec<&StringArray> = values.iter().filter_map(|values| values.as_string_opt()).collect();
        let [traces, ids, parents, services, kinds, statuses] = columns[..] else {
            return Err(exec_datafusion_err!(
                "trace_calls takes a trace, a span, its parent, a service, a kind and a status"
            ));
        };
        for row in 0..traces.len() {
            self.0.push(&calls::Span {
                trace: text(traces, row),
                id: text(ids, row),
                parent: text(parents, row),
                service: text(services, row),
                kind: text(kinds, row),
                is_error: text(statuses, row) == "error",
            });
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            let states: &BinaryArray = as_binary_array(states)?;
            for state in states.iter().flatten() {
                self.0.read(state).ok_or_else(|| exec_datafusion_err!("a state of trace_calls is cut off"))?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(std::mem::take(&mut self.0).written()))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found: Calls = std::mem::take(&mut self.0).calls();
        let numbers = |of: fn(&Call) -> u64| -> ArrayRef {
            let numbers = found.values().map(|call| i64::try_from(of(call)).unwrap_or(i64::MAX));
            Arc::new(Int64Array::from_iter_values(numbers))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(found.keys().map(|(parent, _)| parent))),
            Arc::new(StringArray::from_iter_values(found.keys().map(|(_, child)| child))),
            numbers(|call| call.count),
            numbers(|call| call.errors),
        ];
        let entries = StructArray::try_new(fields(), columns, None)?;
        let offsets = OffsetBuffer::from_lengths([entries.len()]);
        Ok(ScalarValue::List(Arc::new(ListArray::try_new(element(), offsets, Arc::new(entries), None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.bytes()
    }
}
