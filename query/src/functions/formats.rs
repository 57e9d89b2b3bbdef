//! Formats of times: what `to_char` is given is checked before it is used, since a format of another system is
//! printed as it stands, and one with a wrong letter fails without a reason.
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef};
use chrono::format::{Item, StrftimeItems};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use std::sync::Arc;

/// `to_char` that takes strftime formats and refuses others.
pub(super) fn guarded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ToChar { inner: function }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for ToChar {
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

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        // A duration is written by a name, not by a pattern.
        let is_duration = arguments.arg_fields.first().is_some_and(|field| is_duration(field.data_type()));
        if let [_, Some(format)] = arguments.scalar_arguments
            && !is_duration
            && let Some(format) = format.try_as_str().flatten()
        {
            check(format)?;
        }
        self.inner.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [value, ColumnarValue::Array(formats)] = call.args.as_slice()
            && !is_duration(&value.data_type())
            && formats.data_type() == &DataType::Utf8
        {
            formats.as_string::<i32>().iter().flatten().try_for_each(check)?;
        }
        self.inner.invoke_with_args(call)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

fn is_duration(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Duration(_))
}

fn check(format: &str) -> Result<()> {
    if let Some(wrong) = wrong_specifier(format) {
        return plan_err!(
            "to_char: `{wrong}` in the format '{format}' stands for nothing; formats are those of strftime, such as \
             '%Y-%m-%d %H:%M:%S'"
        );
    }
    let has_specifier = StrftimeItems::new(format).any(|item| !matches!(item, Item::Literal(_) | Item::Space(_)));
    if !has_specifier && format.chars().any(char::is_alphabetic) {
        return plan_err!(
            "to_char: the format '{format}' has no %: formats are those of strftime, such as '%Y-%m-%d %H:%M:%S'"
        );
    }
    Ok(())
}

/// The first that chrono does not know, as it was written.
fn wrong_specifier(format: &str) -> Option<&str> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        rest = &rest[at..];
        // Only the first item is parsed.
        if let Some(Item::Error) = StrftimeItems::new(rest).next() {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            return Some(&rest[..end]);
        }
        // `%%` is one item.
        rest = &rest[if rest.starts_with("%%") { 2 } else { 1 }..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_strftime_or_refused() {
        for format in ["%Y-%m-%d", "%H:%M:%S%.3f", "%Y-%m-%dT%H:%M:%S%.6fZ", "week %V", "%%", "", "-", "%F %T", "%e"] {
            check(format).unwrap_or_else(|error| panic!("{format}: {error}"));
        }
        for (format, expected) in
            [("YYYY-MM-DD", "has no %"), ("yyyy", "has no %"), ("%Y-%Q", "`%Q`"), ("%Y %", "`%`"), ("%!x %Y", "`%!`")]
        {
            let error = check(format).expect_err(format).strip_backtrace();
            assert!(error.contains(expected) && error.contains("strftime"), "{format}: {error}");
        }
    }
}
