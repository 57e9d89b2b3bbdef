//! The value of a field: a text, or a number or truth value written as one.
use crate::text::InlineText;
use std::borrow::Cow;
use std::fmt::Write;

/// Holds every number that is not an extreme float.
const NUMBER_BYTES_INLINE: usize = 40;

/// The value of a field. Made with `into()` from texts, integers, floats, `bool` and `char`; for others there is
/// `to_string()`.
#[derive(Debug, Clone)]
pub struct Value<'a>(Repr<'a>);

#[derive(Debug, Clone)]
enum Repr<'a> {
    Text(Cow<'a, str>),
    Number(InlineText<NUMBER_BYTES_INLINE>),
}

impl Value<'_> {
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Text(text) => text,
            Repr::Number(text) => text.as_str(),
        }
    }
}

impl Default for Value<'_> {
    fn default() -> Self {
        Value(Repr::Text(Cow::Borrowed("")))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value(Repr::Text(text.into()))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Value<'a> {
        Value(Repr::Text(text.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value(Repr::Text(text.into()))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Value<'a> {
        Value(Repr::Text(text))
    }
}

macro_rules! from_number {
    ($($number:ty),+) => {
        $(
            impl From<$number> for Value<'_> {
                fn from(number: $number) -> Self {
                    let mut text = InlineText::default();
                    let _ = write!(text, "{number}"); // an `InlineText` takes everything
                    Value(Repr::Number(text))
                }
            }
        )+
    };
}

from_number!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let values = [(-7).into(), u128::MAX.into(), 2.5.into(), true.into(), 'é'.into(), "text".into()];
        let texts = values.iter().map(Value::as_str);
        assert!(texts.eq(["-7", "340282366920938463463374607431768211455", "2.5", "true", "é", "text"]));
        assert_eq!(Value::from(f64::MAX).as_str().len(), 309);
    }
}
