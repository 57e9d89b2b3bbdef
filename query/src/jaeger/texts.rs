//! Numbers, durations and times as Go reads them, and its errors where it cannot: clients show these texts.
use chrono::DateTime;

/// What v1 and v3 say of a trace that is not there.
pub(super) const TRACE_NOT_FOUND: &str = "trace not found";

/// A whole number.
///
/// # Errors
/// As of `strconv.ParseInt`.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    let error = |what| format!("strconv.ParseInt: parsing {text:?}: {what}");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error("invalid syntax"));
    }
    text.parse().map_err(|_| error("value out of range"))
}

/// A finite number.
///
/// # Errors
/// As of `strconv.ParseFloat`.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))
}

/// True or false.
///
/// # Errors
/// As of `strconv.ParseBool`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// A duration such as `1.5ms` or `1h2m`, in nanoseconds.
///
/// # Errors
/// As of `time.ParseDuration`.
pub fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (value, behind) = rest.split_at(end);
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        };
        // More digits than a duration can have are not looked at.
        let digits =
            |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i64>().map_err(|_| invalid()) };
        nanos += i128::from(digits(whole)?) * unit;
        let fraction = &fraction[..fraction.len().min(18)];
        nanos += i128::from(digits(fraction)?) * unit / 10_i128.pow(fraction.len() as u32);
        rest = behind;
    }
    i64::try_from(if is_negative { -nanos } else { nanos }).map_err(|_| invalid())
}

/// A moment as RFC 3339 writes it, in nanoseconds since 1970; a `+` that a client did not escape came as a space.
///
/// # Errors
/// What is wrong with it, and how it should be.
pub(super) fn moment(text: &str) -> Result<u64, String> {
    let whole = text.replace(' ', "+");
    let parsed = DateTime::parse_from_rfc3339(&whole)
        .map_err(|error| format!("parsing time {text:?} as \"2006-01-02T15:04:05.999999999Z07:00\": {error}"))?;
    let nanos = i128::from(parsed.timestamp()) * 1_000_000_000 + i128::from(parsed.timestamp_subsec_nanos());
    Ok(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}
