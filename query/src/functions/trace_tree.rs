//! `trace_tree(span_id, parent_span_id, start_unix_nanos, duration_nanos)`: the tree of a trace and its critical path, in SQL.
//!
//! It is an aggregate, so that one query can look at many traces: a list with an entry for each span, which `unnest` makes
//! rows of, to be joined with `spans` by `trace_id` and `span_id`.
use crate::trace::{Span, SpanId, Trace, critical_path, tree};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_binary_array;
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};
use std::sync::Arc;

/// Bytes of a span in the state: two ids, start and end.
const SPAN_BYTES: usize = 32;

/// Bytes that the tree of a span takes while it is made, about.
const TREE_BYTES: usize = 600;

pub(super) fn function() -> AggregateUDF {
    let arguments = vec![DataType::Utf8, DataType::Utf8, DataType::Int64, DataType::Int64];
    let new = Arc::new(|_: AccumulatorArgs| Ok(Box::new(Spans::default()) as Box<dyn Accumulator>));
    let state = Arc::new(vec![DataType::Binary]);
    create_udaf("trace_tree", arguments, Arc::new(list()), Volatility::Immutable, new, state)
}

fn fields() -> Fields {
    let number = |name| Field::new(name, DataType::Int64, false);
    Fields::from(vec![
        Field::new("span_id", DataType::Utf8, false),
        number("position"),
        number("depth"),
        number("children"),
        number("descendants"),
        number("self_nanos"),
        number("critical_nanos"),
    ])
}

fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Struct(fields()), true))
}

fn list() -> DataType {
    DataType::List(element())
}

/// Spans as 32 bytes each, behind each other: a state as it is.
#[derive(Debug, Default)]
struct Spans(Vec<u8>);

impl Spans {
    fn push(&mut self, id: SpanId, parent: SpanId, start: u64, end: u64) {
        for number in [id.0, parent.0, start, end] {
            self.0.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn trace(&self) -> Trace {
        let (numbers, _) = self.0.as_chunks::<8>();
        let (spans, _) = numbers.as_chunks::<4>();
        let spans = spans.iter().map(|[id, parent, start, end]| Span {
            span_id: SpanId(u64::from_be_bytes(*id)),
            parent_id: SpanId(u64::from_be_bytes(*parent)),
            start: u64::from_be_bytes(*start),
            end: u64::from_be_bytes(*end),
            ..Span::default()
        });
        Trace { spans: spans.collect(), ..Trace::default() }
    }
}

impl Accumulator for Spans {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [ids, parents, starts, durations] = values else {
            return Err(exec_datafusion_err!("trace_tree takes an id, a parent's id, a start and a duration"));
        };
        let (ids, parents): (&StringArray, &StringArray) = (ids.as_string(), parents.as_string());
        let (starts, durations) = (starts.as_primitive::<Int64Type>(), durations.as_primitive::<Int64Type>());
        for row in 0..ids.len() {
            let id = |column: &StringArray| {
                let text = if column.is_valid(row) { column.value(row) } else { "" };
                SpanId::parse(text).ok_or_else(|| exec_datafusion_err!("trace_tree: '{text}' is no span ID"))
            };
            let number = |column: &Int64Array| if column.is_valid(row) { column.value(row).max(0) } else { 0 };
            let start = number(starts).cast_unsigned();
            self.push(id(ids)?, id(parents)?, start, start.saturating_add_signed(number(durations)));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            let states: &BinaryArray = as_binary_array(states)?;
            states.iter().flatten().for_each(|state| self.0.extend_from_slice(state));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(std::mem::take(&mut self.0)))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let trace = self.trace();
        let mut critical = vec![0_u64; trace.spans.len()];
        for section in critical_path::of(&trace) {
            critical[section.span] += section.end - section.start;
        }
        let nodes = tree::of(&trace);
        let numbers = |of: &dyn Fn(usize, &tree::Node) -> u64| -> ArrayRef {
            let numbers = nodes.iter().enumerate().map(|(at, node)| i64::try_from(of(at, node)).unwrap_or(i64::MAX));
            Arc::new(Int64Array::from_iter_values(numbers))
        };
        let ids = nodes.iter().map(|node| trace.spans[node.span].span_id.to_string());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(ids)),
            numbers(&|at, _| at as u64),
            numbers(&|_, node| node.depth as u64),
            numbers(&|_, node| node.children as u64),
            numbers(&|_, node| node.descendants as u64),
            numbers(&|_, node| node.self_nanos),
            numbers(&|_, node| critical[node.span]),
        ];
        let entries = StructArray::try_new(fields(), columns, None)?;
        let offsets = OffsetBuffer::from_lengths([entries.len()]);
        Ok(ScalarValue::List(Arc::new(ListArray::try_new(element(), offsets, Arc::new(entries), None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.capacity() + self.0.len() / SPAN_BYTES * TREE_BYTES
    }
}
