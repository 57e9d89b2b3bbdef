//! Functions that make much out of little, guarded: what a call would make of a batch is estimated from what it is
//! given, and refused where it is too much. DataFusion counts the memory of operators, not of expressions.
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, resources_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use std::sync::Arc;

/// Most bytes that one call may make of a batch.
const MADE_BYTES_MAX: usize = 256 << 20;

/// What a call makes at most, as a multiple of all that it is given.
const FACTOR: usize = 4;

/// Functions whose value can be longer than each of their arguments.
const GROWING: [&str; 21] = [
    "array_append",
    "array_concat",
    "array_prepend",
    "array_to_string",
    "concat",
    "concat_ws",
    "encode",
    "flatten",
    "initcap",
    "levenshtein",
    "lower",
    "make_array",
    "map",
    "overlay",
    "regexp_match",
    "regexp_replace",
    "replace",
    "string_to_array",
    "to_char",
    "translate",
    "upper",
];

/// The function itself, or a guard before it.
pub(crate) fn guarded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match GROWING.contains(&function.name()) {
        true => Arc::new(ScalarUDF::new_from_impl(Guarded { inner: function })),
        false => function,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<arrow::datatypes::FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = call.args.iter().map(|value| Given::of(value, call.number_rows)).collect::<Result<Vec<_>>>()?;
        check(self.name(), made(self.name(), &given, call.number_rows))?;
        self.inner.invoke_with_args(call)
    }
}

/// An argument of a whole batch.
struct Given {
    bytes: usize,
    longest: usize,
    shortest: usize,
}

impl Given {
    fn of(value: &ColumnarValue, rows: usize) -> Result<Given> {
        match value {
            ColumnarValue::Array(array) => Ok(Given::in_array(array)),
            ColumnarValue::Scalar(scalar) => {
                let one = Given::in_array(&scalar.to_array()?);
                Ok(Given { bytes: one.bytes.saturating_mul(rows.max(1)), ..one })
            }
        }
    }

    fn in_array(array: &ArrayRef) -> Given {
        let lengths: Box<dyn Iterator<Item = usize> + '_> = match array.data_type() {
            DataType::Utf8 => Box::new(array.as_string::<i32>().iter().map(|text| text.map_or(0, str::len))),
            DataType::LargeUtf8 => Box::new(array.as_string::<i64>().iter().map(|text| text.map_or(0, str::len))),
            DataType::Utf8View => Box::new(array.as_string_view().iter().map(|text| text.map_or(0, str::len))),
            _ => {
                let bytes = array.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
                return Given { bytes, longest: bytes, shortest: 0 };
            }
        };
        let none = Given { bytes: 0, longest: 0, shortest: usize::MAX };
        lengths.fold(none, |given, length| Given {
            bytes: given.bytes + length,
            longest: given.longest.max(length),
            shortest: given.shortest.min(length),
        })
    }
}

/// Bytes that a call makes at most, or steps that it takes.
fn made(function: &str, given: &[Given], rows: usize) -> usize {
    let all = given.iter().fold(0usize, |sum, given| sum.saturating_add(given.bytes)).saturating_mul(FACTOR);
    match (function, given) {
        ("replace", [text, from, to, ..]) => {
            let places = text.bytes / from.shortest.clamp(1, usize::MAX - 1) + rows;
            places.saturating_mul(to.longest).saturating_add(all)
        }
        // What was found may stand in the replacement again and again; and nothing is found between all characters.
        ("regexp_replace", [text, _, to, ..]) => (text.bytes + rows).saturating_mul(2 * to.longest).saturating_add(all),
        ("levenshtein", [a, b]) => a.bytes.saturating_mul(b.longest.max(1)),
        ("concat_ws", [separator, ..]) => all.saturating_add(separator.bytes.saturating_mul(given.len())),
        ("array_to_string", [list, separator, ..]) => {
            list.bytes.saturating_mul(1 + separator.longest / 4).saturating_add(all)
        }
        _ => all,
    }
}

fn check(function: &str, bytes: usize) -> Result<()> {
    match bytes <= MADE_BYTES_MAX {
        true => Ok(()),
        false => Err(resources_datafusion_err!(
            "{function} would make more than {} MiB of one batch: ask for fewer or shorter values",
            MADE_BYTES_MAX >> 20
        )),
    }
}

/// `a || b` is no function; what goes into it is guarded.
#[derive(Debug)]
pub(crate) struct Concatenation {
    short: Arc<ScalarUDF>,
}

impl Concatenation {
    pub(crate) fn new() -> Concatenation {
        Concatenation {
            short: Arc::new(ScalarUDF::new_from_impl(Short { signature: Signature::any(1, Volatility::Immutable) })),
        }
    }
}

impl ExprPlanner for Concatenation {
    fn plan_binary_op(&self, mut raw: RawBinaryExpr, _: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if raw.op == BinaryOperator::StringConcat {
            raw.left = self.short.call(vec![raw.left]);
            raw.right = self.short.call(vec![raw.right]);
        }
        Ok(PlannerResult::Original(raw))
    }
}

/// Gives back what it is given, where that is not too much to be joined with as much again.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Short {
    signature: Signature,
}

impl ScalarUDFImpl for Short {
    fn name(&self) -> &str {
        "short"
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(arguments.first().map(|argument| argument.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, mut call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = call.args.swap_remove(0);
        check("||", Given::of(&value, call.number_rows)?.bytes.saturating_mul(FACTOR))?;
        Ok(value)
    }
}
