//! Graphite's functions: one file for each kind, one registry, which `/functions` lists and targets are checked by.
//!
//! Each is pure: from series and arguments to series. Those that need other points than were asked for
//! ([`Spec::again`]) say of which time, and get them.
mod change;
mod combine;
mod make;
mod rename;
mod select;
mod windows;

pub(super) use rename::compile;

use super::series::Series;
use arrow::array::timezone::Tz;

/// What a function may know besides its arguments.
#[derive(Debug, Clone)]
pub struct Context {
    /// Begin of what was asked for, seconds since 1970 UTC.
    pub from: i64,
    /// Its end.
    pub until: i64,
    /// The time of the request.
    pub now: i64,
    /// Whose days are meant.
    pub zone: Tz,
    /// Share of values that must be there.
    pub x_files_factor: f64,
}

/// An argument's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Series(Vec<Series>),
    Integer(i64),
    Float(f64),
    Text(String),
    Boolean(bool),
    None,
}

/// What an argument must be; Grafana offers an editor for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    SeriesList,
    /// Each argument is a list, and all of them are one.
    SeriesLists,
    Float,
    Integer,
    Text,
    Boolean,
    Interval,
    /// A count of points, or an interval.
    IntOrInterval,
    IntOrInf,
    Node,
    NodeOrTag,
    Tag,
    Aggregation,
    /// A series list or a number.
    Any,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Type::SeriesList => "seriesList",
            Type::SeriesLists => "seriesLists",
            Type::Float => "float",
            Type::Integer => "integer",
            Type::Text => "string",
            Type::Boolean => "boolean",
            Type::Interval => "interval",
            Type::IntOrInterval => "intOrInterval",
            Type::IntOrInf => "intOrInf",
            Type::Node => "node",
            Type::NodeOrTag => "nodeOrTag",
            Type::Tag => "tag",
            Type::Aggregation => "aggFunc",
            Type::Any => "any",
        }
    }
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    name: &'static str,
    r#type: Type,
    /// JSON of its value where it is left out; `None`: it is required.
    default: Option<&'static str>,
    is_multiple: bool,
}

/// One that must be there.
const fn needed(name: &'static str, r#type: Type) -> Param {
    Param { name, r#type, default: None, is_multiple: false }
}

/// One that may be left out.
const fn optional(name: &'static str, r#type: Type, default: &'static str) -> Param {
    Param { name, r#type, default: Some(default), is_multiple: false }
}

/// One that takes what is left, at least one.
const fn many(name: &'static str, r#type: Type) -> Param {
    Param { name, r#type, default: None, is_multiple: true }
}

const SERIES: Param = needed("seriesList", Type::SeriesList);

/// What a function does.
type Run = fn(&Context, &mut Args) -> Result<Vec<Series>, String>;

/// Of which time a function needs its first argument, if that is another than was asked for.
type Again = fn(&Context, &Args) -> Result<Option<Context>, String>;

/// A function.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Its name in targets.
    pub name: &'static str,
    /// Where Grafana lists it.
    pub group: &'static str,
    /// In a sentence, what it does.
    pub description: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// See [`Again`].
    pub again: Option<Again>,
    run: Run,
}

const fn spec(
    name: &'static str,
    group: &'static str,
    description: &'static str,
    params: &'static [Param],
    run: Run,
) -> Spec {
    Spec { name, group, description, params, again: None, run }
}

const fn with_again(spec: Spec, again: Again) -> Spec {
    Spec { again: Some(again), ..spec }
}

/// Arguments of a call, each at the place of its parameter.
#[derive(Debug)]
pub struct Args {
    values: Vec<Vec<Value>>,
    /// What [`Spec::again`] asked for.
    pub again: Option<Vec<Series>>,
}

/// All functions, in the order of their files.
pub fn all() -> impl Iterator<Item = &'static Spec> {
    [combine::ALL, change::ALL, select::ALL, rename::ALL, windows::ALL, make::ALL].into_iter().flatten()
}

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Spec> {
    all().find(|spec| spec.name == name)
}

impl Spec {
    /// Puts arguments at their places, of the right types.
    ///
    /// # Errors
    /// Where one is missing, of the wrong type, or too many; in words.
    pub fn bind(&self, by_place: Vec<Value>, by_name: Vec<(String, Value)>) -> Result<Args, String> {
        let mut values: Vec<Vec<Value>> = vec![Vec::new(); self.params.len()];
        let count = by_place.len();
        for (nth, value) in by_place.into_iter().enumerate() {
            let place = nth.min(self.params.len().saturating_sub(1));
            match self.params.get(place) {
                Some(param) if nth == place || param.is_multiple => values[place].push(param.typed(self.name, value)?),
                _ => return Err(format!("{} takes {} arguments, not {count}", self.name, self.params.len())),
            }
        }
        for (name, value) in by_name {
            let found = self.params.iter().position(|param| param.name == name);
            let place = found.ok_or_else(|| format!("{} has no parameter `{name}`", self.name))?;
            if !values[place].is_empty() {
                return Err(format!("{}: `{name}` is given twice", self.name));
            }
            values[place].push(self.params[place].typed(self.name, value)?);
        }
        for (param, values) in self.params.iter().zip(&values) {
            if values.is_empty() && param.default.is_none() {
                return Err(format!("{}: `{}` is required", self.name, param.name));
            }
        }
        Ok(Args { values, again: None })
    }

    /// Calls it.
    ///
    /// # Errors
    /// Where its arguments make no sense.
    pub fn call(&self, context: &Context, args: &mut Args) -> Result<Vec<Series>, String> {
        (self.run)(context, args).map_err(|why| format!("{}: {why}", self.name))
    }

    /// As `/functions` describes it.
    pub fn described(&self) -> serde_json::Value {
        let params = self.params.iter().map(|param| {
            let mut json = serde_json::json!({
                "name": param.name, "type": param.r#type.name(), "required": param.default.is_none(),
            });
            if param.is_multiple {
                json["multiple"] = true.into();
            }
            if let Some(default) = param.default.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok()) {
                json["default"] = default;
            }
            if param.r#type == Type::Aggregation {
                json["options"] = super::aggregate::NAMES.to_vec().into();
            }
            json
        });
        let names: Vec<&str> = self.params.iter().map(|param| param.name).collect();
        serde_json::json!({
            "name": self.name, "function": format!("{}({})", self.name, names.join(", ")),
            "description": self.description, "module": "metlog", "group": self.group,
            "params": params.collect::<Vec<_>>(),
        })
    }
}

impl Param {
    /// The value in the type of the parameter, as graphite-web converts it.
    fn typed(&self, function: &str, value: Value) -> Result<Value, String> {
        let wrong = |value: &Value| {
            let what = match value {
                Value::Series(_) => "series".to_owned(),
                Value::Integer(number) => format!("the number {number}"),
                Value::Float(number) => format!("the number {}", super::number::shortest(*number)),
                Value::Text(text) => format!("the text \"{text}\""),
                Value::Boolean(truth) => format!("{truth}"),
                Value::None => "none".to_owned(),
            };
            format!("{function}: `{}` must be a {}, not {what}", self.name, self.r#type.name())
        };
        let typed = match (self.r#type, value) {
            (_, Value::None) if self.default.is_some() => Value::None,
            (Type::SeriesList | Type::SeriesLists | Type::Any, Value::Series(series)) => Value::Series(series),
            (Type::Float, Value::Integer(number)) => Value::Float(number as f64),
            (Type::Float, Value::Float(number)) => Value::Float(number),
            (Type::Float, Value::Text(text)) => match text.trim().parse::<f64>() {
                Ok(number) => Value::Float(number),
                Err(_) => return Err(wrong(&Value::Text(text))),
            },
            (Type::Integer | Type::Node | Type::IntOrInf, Value::Integer(number)) => Value::Integer(number),
            (Type::IntOrInf, Value::Float(number)) if number == f64::INFINITY => Value::Float(number),
            (Type::Integer | Type::Node | Type::IntOrInf, Value::Text(text)) => match text.trim().parse::<i64>() {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err(wrong(&Value::Text(text))),
            },
            (Type::Boolean, Value::Boolean(truth)) => Value::Boolean(truth),
            (Type::Boolean, Value::Integer(number @ 0..=1)) => Value::Boolean(number == 1),
            (Type::Boolean, Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                _ => return Err(wrong(&Value::Text(text))),
            },
            (Type::Interval, Value::Text(text)) => {
                super::attime::parse_offset(&text).map_err(|why| format!("{function}: {why}"))?;
                Value::Text(text)
            }
            (Type::Text | Type::Tag | Type::IntOrInterval | Type::NodeOrTag, Value::Text(text)) => Value::Text(text),
            (Type::IntOrInterval | Type::NodeOrTag | Type::Any | Type::Text, Value::Integer(number)) => {
                Value::Integer(number)
            }
            (Type::Any, value @ (Value::Float(_) | Value::Boolean(_) | Value::Text(_))) => value,
            (Type::Aggregation, Value::Text(text)) => {
                super::aggregate::Aggregation::from_name(&text)
                    .ok_or_else(|| format!("{function}: unsupported aggregation `{text}`"))?;
                Value::Text(text)
            }
            (_, value) => return Err(wrong(&value)),
        };
        Ok(typed)
    }
}

impl Args {
    fn first(&self, place: usize) -> Option<&Value> {
        self.values.get(place).and_then(|values| values.first()).filter(|value| **value != Value::None)
    }

    /// The series at a place, taken out; of several lists one.
    pub fn series(&mut self, place: usize) -> Vec<Series> {
        let values = self.values.get_mut(place).map(std::mem::take).unwrap_or_default();
        let lists = values.into_iter().filter_map(|value| match value {
            Value::Series(series) => Some(series),
            _ => None,
        });
        lists.flatten().collect()
    }

    /// The series at a place, left there.
    pub fn seen(&self, place: usize) -> &[Series] {
        match self.first(place) {
            Some(Value::Series(series)) => series,
            _ => &[],
        }
    }

    /// The value at a place, where there is one.
    pub fn value(&self, place: usize) -> Option<&Value> {
        self.first(place)
    }

    /// All values at a place.
    pub fn values(&self, place: usize) -> &[Value] {
        self.values.get(place).map_or(&[], Vec::as_slice)
    }

    /// A number, where it is given.
    pub fn number(&self, place: usize) -> Option<f64> {
        match self.first(place) {
            Some(Value::Float(number)) => Some(*number),
            Some(Value::Integer(number)) => Some(*number as f64),
            _ => None,
        }
    }

    /// An integer, or what stands for one that is left out.
    pub fn integer(&self, place: usize, default: i64) -> i64 {
        match self.first(place) {
            Some(Value::Integer(number)) => *number,
            _ => default,
        }
    }

    /// Text, where it is given.
    pub fn text(&self, place: usize) -> Option<&str> {
        match self.first(place) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// True if it is given and true.
    pub fn is_true(&self, place: usize) -> bool {
        matches!(self.first(place), Some(Value::Boolean(true)))
    }
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_taken_twice_and_defaults_are_json() {
        let mut names: Vec<_> = all().map(|spec| spec.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for spec in all() {
            for param in spec.params {
                let json = param.default.map(serde_json::from_str::<serde_json::Value>);
                assert!(json.is_none_or(|json| json.is_ok()), "{}.{}", spec.name, param.name);
            }
        }
    }

    #[test]
    fn arguments_are_put_at_their_places() {
        let spec = find("summarize").unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let series = || Value::Series(Vec::new());
        let args = spec.bind(vec![series(), text("1h")], vec![("alignToFrom".into(), text("TRUE"))]).unwrap();
        assert!(args.is_true(3) && args.text(2).is_none());
        for (by_place, by_name, why) in [
            (vec![], vec![], "summarize: `seriesList` is required"),
            (vec![series(), text("1x")], vec![], "summarize: invalid unit `x`; there are s, min, h, d, w, mon and y"),
            (
                vec![series(), Value::Integer(3)],
                vec![],
                "summarize: `intervalString` must be a interval, not the number 3",
            ),
            (
                vec![series(), text("1h"), text("sum"), text("true"), text("x")],
                vec![],
                "summarize takes 4 arguments, not 5",
            ),
            (vec![series(), text("1h"), text("mode")], vec![], "summarize: unsupported aggregation `mode`"),
            (vec![series(), text("1h")], vec![("x".into(), text("y"))], "summarize has no parameter `x`"),
        ] {
            assert_eq!(spec.bind(by_place, by_name).map(drop), Err(why.to_owned()));
        }
    }
}
