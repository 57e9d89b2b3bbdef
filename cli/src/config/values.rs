//! The values that a configuration is made of: how each is written, and in which words it is refused.
//!
//! Every function here reads one value; its error completes the sentence "`<key>`: …".
use super::document::{described, nearest};
use regex::Regex;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// A text that is not empty.
pub fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value.as_str() {
        Some("") => Err("must not be empty".to_owned()),
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("must be a string, not {}", described(value))),
    }
}

/// A text that may be empty.
pub fn any_text(value: &DeValue<'_>) -> Result<String, String> {
    if value.as_str() == Some("") { Ok(String::new()) } else { text(value) }
}

/// The path of a file or folder.
pub fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

/// `true` or `false`.
pub fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("must be true or false, not {}", described(value)))
}

/// A whole number within bounds.
pub fn integer(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<u64, String> {
    move |value| {
        let refused =
            || format!("must be a whole number from {} to {}, not {}", bounds.start(), bounds.end(), described(value));
        let number = value.as_integer().ok_or_else(refused)?;
        let number = u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| refused())?;
        if bounds.contains(&number) { Ok(number) } else { Err(refused()) }
    }
}

/// A length of time within bounds: `"100ms"`, `"10s"`, `"5m"`, `"1h"`, `"1d"`.
pub fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let refused = || format!("must be a duration such as \"100ms\", \"10s\", \"5m\", not {}", described(value));
        let found = value.as_str().and_then(parse_duration).ok_or_else(refused)?;
        if bounds.contains(&found) {
            return Ok(found);
        }
        let [least, most] = [bounds.start(), bounds.end()].map(|bound| format_duration(*bound));
        Err(format!("must be from {least} to {most}, not {}", format_duration(found)))
    }
}

/// A number of bytes within bounds: `"64MiB"`, or a plain number.
pub fn size(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<u64, String> {
    move |value| {
        let refused = || format!("must be a size such as \"64MiB\", not {}", described(value));
        let typed = match value {
            DeValue::String(text) => parse_size(text),
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let found = typed.ok_or_else(refused)?;
        if bounds.contains(&found) {
            return Ok(found);
        }
        let [least, most] = [bounds.start(), bounds.end()].map(|bound| format_size(*bound));
        Err(format!("must be from {least} to {most}, not {}", format_size(found)))
    }
}

/// One of some words.
pub fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        if let Some((_, chosen)) = words.iter().find(|(word, _)| value.as_str() == Some(word)) {
            return Ok(*chosen);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = value.as_str().and_then(|typed| nearest(typed, &names));
        let hint = hint.map_or_else(String::new, |name| format!(", did you mean `{name}`?"));
        Err(format!("must be one of {}, not {}{hint}", names.join(", "), described(value)))
    }
}

/// A number within bounds.
pub fn number(bounds: RangeInclusive<f64>) -> impl Fn(&DeValue<'_>) -> Result<f64, String> {
    move |value| {
        let number = match value {
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        number.filter(|number| bounds.contains(number)).ok_or_else(|| {
            format!("must be a number from {} to {}, not {}", bounds.start(), bounds.end(), described(value))
        })
    }
}

/// Percentiles: numbers from -100 to 100, without 0, which no sample is in.
pub fn percentiles(value: &DeValue<'_>) -> Result<Vec<f64>, String> {
    let refused = || format!("must be a list of numbers such as [90, 99.9, -10], not {}", described(value));
    let number = |value: &DeValue<'_>| match value {
        DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
        DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        _ => None,
    };
    let numbers: Option<Vec<f64>> = value.as_array().ok_or_else(refused)?.iter().map(|v| number(v.get_ref())).collect();
    let numbers = numbers.ok_or_else(refused)?;
    match numbers.iter().find(|n| !(0.0 < n.abs() && n.abs() <= 100.0)) {
        Some(bad) => Err(format!("percentiles are from -100 to 100, except 0; not {bad}")),
        None => Ok(numbers),
    }
}

/// A list of texts.
pub fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let refused = || format!("must be a list of texts such as [\"a\", \"b\"], not {}", described(value));
    value.as_array().ok_or_else(refused)?.iter().map(|item| text(item.get_ref())).collect()
}

/// An address to listen on.
pub fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    value.as_str().and_then(parse_address).ok_or_else(|| refused_address(value))
}

/// Addresses to listen on: one, a list, or `""` for none.
pub fn addresses(value: &DeValue<'_>) -> Result<Vec<SocketAddr>, String> {
    match value {
        DeValue::String(text) if text.is_empty() => Ok(Vec::new()),
        DeValue::Array(list) => list.iter().map(|value| address(value.get_ref())).collect(),
        value => Ok(vec![address(value)?]),
    }
}

fn refused_address(value: &DeValue<'_>) -> String {
    format!("must be an address and a port such as \"127.0.0.1:5565\" or \"[::1]:5565\", not {}", described(value))
}

/// Numbers are taken as they are; of names only `localhost`, so that nobody waits for a name server at the start.
fn parse_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, _) = text.rsplit_once(':')?;
    (host == "localhost").then(|| text.to_socket_addrs().ok()?.find(SocketAddr::is_ipv4)).flatten()
}

/// The `host:port` of another program; the name is looked up when it is used.
pub fn destination(value: &DeValue<'_>) -> Result<String, String> {
    let refused = || format!("must be a host and a port such as \"graphite.example:2003\", not {}", described(value));
    let text = value.as_str().ok_or_else(refused)?;
    let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
    let port: u16 = port.parse().map_err(|_| refused())?;
    if host.is_empty() || host.contains(char::is_whitespace) || port == 0 {
        Err(refused())
    } else {
        Ok(text.to_owned())
    }
}

/// A regular expression.
pub fn regex(value: &DeValue<'_>) -> Result<Regex, String> {
    let text = text(value)?;
    Regex::new(&text).map_err(|error| format!("is no regular expression: {}", last_line(&error.to_string())))
}

/// A regular expression that a text must match from its first to its last character.
pub fn whole_regex(value: &DeValue<'_>) -> Result<Regex, String> {
    let inner = regex(value)?;
    Regex::new(&format!(r"\A(?:{})\z", inner.as_str()))
        .map_err(|error| format!("cannot be anchored: {}", last_line(&error.to_string())))
}

fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

/// `10s` as it is typed; one number and one unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let (_, milliseconds) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(number.checked_mul(*milliseconds)?))
}

/// A duration in the largest unit that gives a whole number.
pub fn format_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let whole =
        |(_, unit): &&(&str, u64)| milliseconds >= u128::from(*unit) && milliseconds.is_multiple_of(u128::from(*unit));
    let (name, unit) = DURATION_UNITS.iter().rev().find(whole).unwrap_or(&DURATION_UNITS[0]);
    format!("{}{name}", milliseconds / u128::from(*unit))
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*bytes)
}

/// A size in the largest binary unit that gives a whole number.
pub fn format_size(bytes: u64) -> String {
    let whole = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    match SIZE_UNITS[..4].iter().rev().find(whole) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}
