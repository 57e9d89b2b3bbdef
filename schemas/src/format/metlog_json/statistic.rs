//! Messages of type `counter` and `timer`: values for aggregation, as statsd lines are.
use super::Refusal;
use crate::rows::{Row, Text};
use crate::format::statsd::Kind;

/// What aggregation needs of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistic {
    /// [`Kind::Counter`] or [`Kind::Timer`].
    pub kind: Kind,
    /// Not sanitised yet: [`crate::format::statsd::canonical`] does that.
    pub name: String,
    /// Finite.
    pub value: f64,
    /// Finite and above 0.
    pub rate: f64,
}

/// The statistic of a row of type `counter` or `timer`; `None` for any other row.
///
/// The name is `fields.name`, behind the logger and a point where there is a logger, with `::` as a point and
/// `:`, `|`, `@` as `_`, as the Metlog back end sent it to statsd. The value is the payload, the rate
/// `fields.rate`, or 1 where it is missing.
pub fn statistic(row: &Row<'_>) -> Option<Result<Statistic, Refusal>> {
    kind_of(row).map(|kind| read(row, kind))
}

/// What a row of type `counter` or `timer` is a statistic of; `None` for any other row.
pub fn kind_of(row: &Row<'_>) -> Option<Kind> {
    match row.get(Text::Type) {
        "counter" => Some(Kind::Counter),
        "timer" => Some(Kind::Timer),
        _ => None,
    }
}

fn read(row: &Row<'_>, kind: Kind) -> Result<Statistic, Refusal> {
    let own = row.field_value("name").filter(|name| !name.is_empty()).ok_or(Refusal::NoName)?;
    let logger = row.get(Text::Logger);
    let mut name = String::with_capacity(logger.len() + 1 + own.len());
    if !logger.is_empty() {
        name.push_str(logger);
        name.push('.');
    }
    name.push_str(own);
    if name.contains([':', '|', '@']) {
        name = name.replace("::", ".").replace([':', '|', '@'], "_");
    }
    let value = finite(row.get(Text::Payload)).ok_or(Refusal::BadPayload)?;
    let rate = row.field_value("rate").map_or(Some(1.0), finite);
    let rate = rate.filter(|rate| *rate > 0.0).ok_or(Refusal::BadRate)?;
    Ok(Statistic { kind, name, value, rate })
}

fn finite(text: &str) -> Option<f64> {
    text.trim_ascii().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::metlog_json::Decoder;
    use crate::rows::Rows;

    type Parts<'a> = (Kind, &'a str, f64, f64);

    fn check(text: &str, expected: Option<Result<Parts<'_>, Refusal>>) {
        let mut rows = Rows::default();
        let row = Decoder::default().decode(text.as_bytes(), &mut rows).unwrap();
        let found = statistic(&row);
        let found = found.as_ref().map(|found| found.as_ref().map(|s| (s.kind, s.name.as_str(), s.value, s.rate)));
        assert_eq!(found, expected.as_ref().map(Result::as_ref).map(|r| r.copied()), "{text}");
    }

    #[test]
    fn counters_and_timers_are_read() {
        let incr = r#"{"type":"counter","payload":"1","fields":{"name":"incr","rate":1.0}}"#;
        check(incr, Some(Ok((Kind::Counter, "incr", 1.0, 1.0))));
        let timer = r#"{"type":"timer","logger":"sync","payload":12.5,"fields":{"name":"a::b:c|@","rate":0.1}}"#;
        check(timer, Some(Ok((Kind::Timer, "sync.a.b_c__", 12.5, 0.1))));
        check(r#"{"type":"counter","payload":"-3","fields":{"name":"x"}}"#, Some(Ok((Kind::Counter, "x", -3.0, 1.0))));
        check(r#"{"type":"wsgi","payload":"1","fields":{"name":"x"}}"#, None);
    }

    #[test]
    fn incomplete_ones_are_refused() {
        check(r#"{"type":"counter","payload":"1"}"#, Some(Err(Refusal::NoName)));
        check(r#"{"type":"counter","payload":"1","fields":{"name":""}}"#, Some(Err(Refusal::NoName)));
        for payload in [r#""""#, r#""x""#, "NaN", "1e999", "null", "true"] {
            let text = format!(r#"{{"type":"timer","payload":{payload},"fields":{{"name":"n"}}}}"#);
            check(&text, Some(Err(Refusal::BadPayload)));
        }
        for rate in ["0", "-1", "NaN", r#""x""#, "null"] {
            let text = format!(r#"{{"type":"timer","payload":1,"fields":{{"name":"n","rate":{rate}}}}}"#);
            check(&text, Some(Err(Refusal::BadRate)));
        }
    }
}
