//! Names of types in a query, bounded before anything recurses into them or makes room for values of them.
//!
//! `arrow_cast(null, 'List(List(…` overflows the stack of whoever parses it, and one value of `int[2000000000]` takes
//! 8 GB: so nesting is bounded, and types whose values have a size of their own are refused.
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{plan_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType};
use std::sync::Arc;

/// Deepest nesting of a type, in levels.
const TYPE_DEPTH_MAX: usize = 16;

/// Longest name of a type.
const TYPE_NAME_BYTES_MAX: usize = 1_000;

/// `arrow_cast` and `arrow_try_cast` with a bound on the type that they are given.
pub(super) fn guarded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ToType { inner: function }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToType {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for ToType {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        match arguments.scalar_arguments {
            [_, Some(name)] => match name.try_as_str().flatten() {
                Some(name) => check_name(self.name(), name)?,
                None => return self.not_constant(),
            },
            _ => return self.not_constant(),
        }
        self.inner.return_field_from_args(arguments)
    }

    fn simplify(&self, arguments: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match arguments.get(1) {
            Some(Expr::Literal(name, _)) => check_name(self.name(), name.try_as_str().flatten().unwrap_or_default())?,
            _ => return self.not_constant(),
        }
        self.inner.inner().simplify(arguments, info)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(call)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

impl ToType {
    fn not_constant<T>(&self) -> Result<T> {
        plan_err!("{}: the second argument is the name of a type as a constant text, such as 'Int64'", self.name())
    }
}

fn check_name(function: &str, name: &str) -> Result<()> {
    if name.len() > TYPE_NAME_BYTES_MAX {
        return plan_err!("{function}: the name of the type is longer than {TYPE_NAME_BYTES_MAX} bytes");
    }
    let mut depth = 0usize;
    for byte in name.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth > TYPE_DEPTH_MAX {
            return plan_err!("{function}: the type is nested deeper than {TYPE_DEPTH_MAX} levels");
        }
    }
    let parsed: DataType = name.parse().map_err(|_| {
        plan_datafusion_err!(
            "{function}: `{name}` is not the name of a type; names are as `arrow_typeof` writes them, such as 'Int64'"
        )
    })?;
    check_parsed(function, &parsed)
}

/// Recurses, but never deeper than a name may be nested.
fn check_parsed(function: &str, data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::FixedSizeBinary(_) | DataType::FixedSizeList(..) => {
            plan_err!("{function}: types of a fixed size are not available; use Binary or List")
        }
        DataType::Union(..) | DataType::RunEndEncoded(..) | DataType::ListView(_) | DataType::LargeListView(_) => {
            plan_err!("{function}: the type {data_type} is not available")
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            check_parsed(function, item.data_type())
        }
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_parsed(function, field.data_type())),
        DataType::Dictionary(_, value) => check_parsed(function, value),
        _ => Ok(()),
    }
}

/// Types of SQL: `CAST(x AS int[3])`.
#[derive(Debug)]
pub(super) struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let mut current = sql_type;
        for _ in 0..TYPE_DEPTH_MAX {
            current = match current {
                SqlType::Array(ArrayElemTypeDef::SquareBracket(_, Some(_))) => {
                    return plan_err!("lists of a fixed size are not available; leave the number in [] out");
                }
                SqlType::Array(ArrayElemTypeDef::SquareBracket(item, None) | ArrayElemTypeDef::AngleBracket(item)) => {
                    item
                }
                _ => return Ok(None),
            };
        }
        plan_err!("the type is nested deeper than {TYPE_DEPTH_MAX} levels")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let found = check_name("arrow_cast", name).map_err(|error| error.strip_backtrace());
        match (&found, expected) {
            (Ok(()), None) => (),
            (Err(error), Some(expected)) if error.contains(expected) => (),
            _ => panic!("{:.60}: {found:?}", name),
        }
    }

    #[test]
    fn names_of_types_are_bounded_before_they_are_parsed() {
        check("Int64", None);
        check("Timestamp(ns, \"UTC\")", None);
        check("Dictionary(Int32, Utf8)", None);
        check("List(List(Utf8))", None);
        check(&format!("{}Int8{}", "List(".repeat(16), ")".repeat(16)), None);
        check(&format!("{}Int8{}", "List(".repeat(17), ")".repeat(17)), Some("deeper"));
        check(&"List(".repeat(150), Some("deeper"));
        check(&"List(".repeat(920), Some("longer"));
        check("FixedSizeBinary(2000000000)", Some("fixed size"));
        check("List(FixedSizeBinary(2000000000))", Some("fixed size"));
        check("Int65", Some("`Int65` is not the name of a type"));
        check("", Some("not the name"));
    }
}
