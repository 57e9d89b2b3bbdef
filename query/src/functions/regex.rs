//! `regexp_extract(text, pattern[, group])`: what a group of a regular expression found; the whole match without one.
//! Null where nothing was found.
use super::documents;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{ScalarValue, exec_datafusion_err, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use regex::Regex;
use std::sync::Arc;

/// A pattern of `~` such that it keeps its meaning: DataFusion writes literal patterns as those of LIKE, in which a backslash
/// escapes what is behind it. Patterns with groups it leaves alone.
pub(super) fn kept(pattern: Expr) -> Expr {
    match pattern {
        Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) if may_be_backslash(&text) => {
            Expr::Literal(ScalarValue::Utf8(Some(format!("({text})"))), metadata)
        }
        other => other,
    }
}

/// True for each pattern that finds a backslash: as `\\`, or by its number.
fn may_be_backslash(pattern: &str) -> bool {
    [r"\\", r"\x", r"\u", r"\U"].iter().any(|part| pattern.contains(part))
}

/// `regexp_like`, which DataFusion writes as `~`: not where that would become a LIKE with a backslash.
pub(super) fn like(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Like { inner }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Like {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Like {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn simplify(&self, arguments: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let is_plain =
            |text: &Expr| matches!(text, Expr::Literal(ScalarValue::Utf8(Some(text)), _) if !may_be_backslash(text));
        match arguments.get(1).is_some_and(is_plain) {
            true => self.inner.simplify(arguments, info),
            false => Ok(ExprSimplifyResult::Original(arguments)),
        }
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(call)
    }
}

pub(super) fn extract() -> ScalarUDF {
    let forms = vec![
        TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8]),
        TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Int64]),
    ];
    ScalarUDF::new_from_impl(Extract { signature: Signature::one_of(forms, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extract {
    signature: Signature,
}

impl ScalarUDFImpl for Extract {
    fn name(&self) -> &str {
        "regexp_extract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(self.name())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = call.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { call.number_rows };
        let arrays = call.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let (texts, patterns) = (arrays[0].as_string::<i32>(), arrays[1].as_string::<i32>());
        let groups = arrays.get(2).map(|groups| groups.as_primitive::<Int64Type>());
        // Patterns are the same from row to row, nearly always.
        let mut compiled: Option<(&str, Regex)> = None;
        let mut found = StringBuilder::with_capacity(rows, 0);
        for row in 0..rows {
            if texts.is_null(row) || patterns.is_null(row) || groups.is_some_and(|groups| groups.is_null(row)) {
                found.append_null();
                continue;
            }
            let pattern = patterns.value(row);
            let regex = match compiled.take() {
                Some((known, regex)) if known == pattern => regex,
                _ => compile(pattern)?,
            };
            let group = groups.map_or(0, |groups| groups.value(row));
            found.append_option(find(&regex, pattern, texts.value(row), group)?);
            compiled = Some((pattern, regex));
        }
        let found: StringArray = found.finish();
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&found, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(found))),
        }
    }
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        // The last line of a syntax error says what is wrong; those before it draw an arrow at it.
        let reason = text.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned();
        exec_datafusion_err!("regexp_extract: '{pattern}' is not a regular expression: {reason}")
    })
}

fn find<'t>(regex: &Regex, pattern: &str, text: &'t str, group: i64) -> Result<Option<&'t str>> {
    let groups = regex.captures_len() - 1;
    let Some(group) = usize::try_from(group).ok().filter(|group| *group <= groups) else {
        return exec_err!("regexp_extract: '{pattern}' has {groups} groups, there is no group {group}");
    };
    Ok(match group {
        0 => regex.find(text).map(|found| found.as_str()),
        _ => regex.captures(text).and_then(|found| found.get(group)).map(|found| found.as_str()),
    })
}
