//! Functions that make much out of little, guarded: what a call would make of a batch is estimated from what it is
//! given, and refused where it is too much. DataFusion counts the memory of operators, not of expressions.
use super::listed::Growth;
use super::{documents, formats, json, regex, types};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue, resources_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, StructFieldMapping, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use std::sync::Arc;

/// Most bytes that one call may make of a batch.
const MADE_BYTES_MAX: usize = 256 << 20;

/// What a call makes at most, as a multiple of all that it is given.
const FACTOR: usize = 4;

/// The function itself, with a guard before it where it can make much of what it is given.
pub(super) fn guarded(function: Arc<ScalarUDF>, growth: Growth) -> Arc<ScalarUDF> {
    match (function.name(), growth) {
        ("arrow_cast" | "arrow_try_cast", _) => types::guarded(function),
        ("to_char", _) => formats::guarded(Arc::new(ScalarUDF::new_from_impl(Guarded::new(function, growth)))),
        ("regexp_like", _) => regex::like(function),
        (_, Growth::Fixed) => function,
        (_, Growth::Text | Growth::Pairs) => Arc::new(ScalarUDF::new_from_impl(Guarded::new(function, growth))),
    }
}

/// A function that makes no more than a small multiple of what it is given, with a name and a signature of ours.
pub(super) fn renamed(name: &str, function: Arc<ScalarUDF>, signature: Signature) -> Arc<ScalarUDF> {
    let guarded = Guarded::new(function, Growth::Text);
    Arc::new(ScalarUDF::new_from_impl(Guarded { name: name.to_owned(), signature, ..guarded }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    name: String,
    aliases: Vec<String>,
    signature: Signature,
}

impl Guarded {
    fn new(inner: Arc<ScalarUDF>, growth: Growth) -> Guarded {
        Guarded {
            growth,
            name: inner.name().to_owned(),
            aliases: inner.aliases().to_vec(),
            signature: inner.signature().clone(),
            inner,
        }
    }
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
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
        let rows = call.number_rows;
        let given = call.args.iter().map(|value| Given::of(value, rows, self.growth)).collect::<Result<Vec<_>>>()?;
        check(self.name(), made(self.name(), self.growth, &given, rows))?;
        self.inner.invoke_with_args(call)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation().or_else(|| documents::of(&self.name))
    }

    fn placement(&self, arguments: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.inner().placement(arguments)
    }

    fn struct_field_mapping(&self, literals: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.inner.inner().struct_field_mapping(literals)
    }
}

/// An argument of a whole batch.
struct Given {
    bytes: usize,
    longest: usize,
    shortest: usize,
}

impl Given {
    fn of(value: &ColumnarValue, rows: usize, growth: Growth) -> Result<Given> {
        match value {
            ColumnarValue::Array(array) => Ok(Given::in_array(array, growth)),
            ColumnarValue::Scalar(scalar) => {
                let one = Given::in_array(&scalar.to_array()?, growth);
                Ok(Given { bytes: one.bytes.saturating_mul(rows.max(1)), ..one })
            }
        }
    }

    fn in_array(array: &ArrayRef, growth: Growth) -> Given {
        let lengths: Box<dyn Iterator<Item = usize> + '_> = match array.data_type() {
            DataType::Utf8 => Box::new(array.as_string::<i32>().iter().map(|text| text.map_or(0, str::len))),
            DataType::LargeUtf8 => Box::new(array.as_string::<i64>().iter().map(|text| text.map_or(0, str::len))),
            DataType::Utf8View => Box::new(array.as_string_view().iter().map(|text| text.map_or(0, str::len))),
            DataType::List(_) if growth == Growth::Pairs => {
                Box::new(array.as_list::<i32>().iter().map(|items| items.map_or(0, |items| bytes(&items))))
            }
            _ => {
                let bytes = bytes(array);
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

fn bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or(usize::MAX)
}

/// Bytes that a call makes at most, or steps that it takes.
fn made(function: &str, growth: Growth, given: &[Given], rows: usize) -> usize {
    let all = given.iter().fold(0usize, |sum, given| sum.saturating_add(given.bytes)).saturating_mul(FACTOR);
    match (function, given) {
        ("replace", [text, from, to, ..]) => {
            let places = text.bytes / from.shortest.clamp(1, usize::MAX - 1) + rows;
            places.saturating_mul(to.longest).saturating_add(all)
        }
        // What was found may stand in the replacement again and again; and nothing is found between all characters.
        ("regexp_replace", [text, _, to, ..]) => (text.bytes + rows).saturating_mul(2 * to.longest).saturating_add(all),
        // Each list is as long as the longest of its row.
        ("arrays_zip", _) => all.saturating_mul(given.len()),
        ("concat_ws", [separator, ..]) => all.saturating_add(separator.bytes.saturating_mul(given.len())),
        ("array_to_string", [list, separator, ..]) => {
            list.bytes.saturating_mul(1 + separator.longest / 4).saturating_add(all)
        }
        (_, [first, others @ ..]) if growth == Growth::Pairs => {
            let longest = others.iter().map(|given| given.longest).max();
            first.bytes.saturating_mul(longest.unwrap_or(1).max(1)).saturating_add(all)
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

/// Operators and literals are planned as functions past the registry: what goes into them is guarded here.
#[derive(Debug)]
pub(super) struct Operators {
    short: Arc<ScalarUDF>,
    list: Arc<ScalarUDF>,
    map: Arc<ScalarUDF>,
    json: Arc<ScalarUDF>,
    json_text: Arc<ScalarUDF>,
}

impl Operators {
    pub(super) fn new() -> Operators {
        let text = |function| Arc::new(ScalarUDF::new_from_impl(Guarded::new(function, Growth::Text)));
        Operators {
            short: Arc::new(ScalarUDF::new_from_impl(Short { signature: Signature::any(1, Volatility::Immutable) })),
            list: text(datafusion::functions_nested::make_array::make_array_udf()),
            map: text(datafusion::functions_nested::map::map_udf()),
            json: json::json(),
            json_text: json::text(),
        }
    }
}

impl ExprPlanner for Operators {
    /// `a || b`, and into JSON by `->` and `->>`.
    fn plan_binary_op(&self, mut raw: RawBinaryExpr, _: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        match raw.op {
            BinaryOperator::StringConcat => {
                raw.left = self.short.call(vec![raw.left]);
                raw.right = self.short.call(vec![raw.right]);
                Ok(PlannerResult::Original(raw))
            }
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => {
                raw.right = regex::kept(raw.right);
                Ok(PlannerResult::Original(raw))
            }
            BinaryOperator::Arrow => Ok(PlannerResult::Planned(self.json.call(vec![raw.left, raw.right]))),
            BinaryOperator::LongArrow => Ok(PlannerResult::Planned(self.json_text.call(vec![raw.left, raw.right]))),
            _ => Ok(PlannerResult::Original(raw)),
        }
    }

    /// `[a, b]`.
    fn plan_array_literal(&self, items: Vec<Expr>, _: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.list.call(items)))
    }

    /// `MAP {a: b}`.
    fn plan_make_map(&self, arguments: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let (keys, values): (Vec<_>, Vec<_>) = arguments.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        let list = |items: Vec<(usize, Expr)>| self.list.call(items.into_iter().map(|(_, item)| item).collect());
        Ok(PlannerResult::Planned(self.map.call(vec![list(keys), list(values)])))
    }
}

/// Gives back what it is given, where that is not too much to be joined with as much again.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Short {
    signature: Signature,
}

impl ScalarUDFImpl for Short {
    fn name(&self) -> &str {
        ""
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
        check("||", Given::of(&value, call.number_rows, Growth::Text)?.bytes.saturating_mul(FACTOR))?;
        Ok(value)
    }
}
