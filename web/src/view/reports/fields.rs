//! The parameters of a report as fields, and what was typed as values.
use super::file::{Kind, Parameter, Report};
use crate::parameter::Value;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// What was typed.
pub(super) struct Typed {
    /// For each parameter, as typed or by default.
    texts: Vec<String>,
    /// As values.
    ///
    /// # Errors
    /// The first that is none.
    pub(super) values: Result<Vec<(String, Value)>, String>,
}

impl Parameter {
    /// What was typed as a value.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn value(&self, typed: &str) -> Result<Value, String> {
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == typed) {
            return Err(format!("`{typed}` is none of {}", self.choices.join(", ")));
        }
        match self.kind {
            Kind::Text => Ok(Value::Text(typed.to_owned())),
            Kind::Number => {
                let number = typed.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Value::Number).ok_or_else(|| format!("`{typed}` is no number"))
            }
            Kind::Boolean => match typed {
                "true" => Ok(Value::Boolean(true)),
                "false" => Ok(Value::Boolean(false)),
                _ => Err(format!("`{typed}` is neither true nor false")),
            },
            Kind::Interval => {
                let micros = crate::range::moment(&format!("-{}", typed.trim()), 0).ok().map(|micros| -micros / 1_000_000);
                let seconds = micros.filter(|seconds| *seconds > 0);
                seconds.map(Value::Seconds).ok_or_else(|| format!("`{typed}` is no length of time, such as 90s, 5m, 1h or 1d"))
            }
        }
    }
}

/// What the address has.
pub(super) fn read(report: &Report, visit: &Visit) -> Typed {
    // A field that was emptied is empty, and not at its default.
    let find = |name: &str| visit.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let texts: Vec<String> =
        report.parameters.iter().map(|parameter| find(&parameter.name).unwrap_or_else(|| parameter.default.clone())).collect();
    let values = report.parameters.iter().zip(&texts).map(|(parameter, text)| {
        let value = parameter.value(text).map_err(|why| format!("{}: {why}", parameter.title))?;
        Ok((parameter.name.clone(), value))
    });
    let values = values.collect();
    Typed { texts, values }
}

/// The form.
pub(super) fn form(report: &Report, visit: &Visit, typed: &Typed) -> Markup {
    html! {
        @if !report.parameters.is_empty() {
            form.fields method="get" action=(visit.path) {
                @for (key, value) in visit.parameters.iter().filter(|(key, _)| matches!(key.as_str(), "from" | "to" | "zone")) {
                    input type="hidden" name=(key) value=(value);
                }
                @for (parameter, text) in report.parameters.iter().zip(&typed.texts) {
                    label { (visible(&parameter.title)) (field(parameter, text)) }
                }
                button.primary type="submit" { "Show" }
            }
        }
    }
}

fn field(parameter: &Parameter, text: &str) -> Markup {
    let choices: Vec<&str> = match parameter.kind {
        Kind::Boolean => vec!["true", "false"],
        _ => parameter.choices.iter().map(String::as_str).collect(),
    };
    html! {
        @if choices.is_empty() {
            input name=(parameter.name) value=(text) inputmode=[(parameter.kind == Kind::Number).then_some("decimal")] autocomplete="off" spellcheck="false";
        } @else {
            select name=(parameter.name) {
                @for choice in choices {
                    option value=(choice) selected[choice == text] { @match choice { "true" => "yes", "false" => "no", other => (other) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(kind: Kind, choices: &[&str]) -> Parameter {
        let choices = choices.iter().map(|&choice| choice.to_owned()).collect();
        Parameter { name: "p".to_owned(), title: "P".to_owned(), kind, default: String::new(), choices }
    }

    #[test]
    fn what_is_typed_is_a_value_of_its_type_or_a_mistake() {
        let value = |kind, typed: &str| parameter(kind, &[]).value(typed).ok();
        assert_eq!(value(Kind::Text, "'; drop"), Some(Value::Text("'; drop".to_owned())));
        assert_eq!(value(Kind::Number, " 2.5 "), Some(Value::Number(2.5)));
        assert_eq!([value(Kind::Number, "1; select"), value(Kind::Number, "inf"), value(Kind::Number, "")], [None, None, None]);
        assert_eq!(value(Kind::Boolean, "true"), Some(Value::Boolean(true)));
        assert_eq!(value(Kind::Interval, "1h30m"), Some(Value::Seconds(5_400)));
        assert_eq!([value(Kind::Interval, "0s"), value(Kind::Interval, "x"), value(Kind::Interval, "")], [None, None, None]);
        assert_eq!(parameter(Kind::Number, &["1", "2"]).value("3"), Err("`3` is none of 1, 2".to_owned()));
    }
}
