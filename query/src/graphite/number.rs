//! Numbers as they stand in the names of series: as Python prints them, on which dashboards rely.

/// As `%g`: six digits, without zeros at the end.
pub fn general(value: f64) -> String {
    if !value.is_finite() {
        return special(value);
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        return format!("{}e{}", trimmed(mantissa), signed(exponent));
    }
    let decimals = (5 - exponent).max(0) as usize;
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

/// The shortest digits that read back the same, with `.0` for whole numbers.
pub fn shortest(value: f64) -> String {
    if !value.is_finite() {
        return special(value);
    }
    if value != 0.0 && !(1e-4..1e16).contains(&value.abs()) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{mantissa}e{}", signed(exponent.parse().unwrap_or_default()));
    }
    format!("{value:?}")
}

fn special(value: f64) -> String {
    let word = if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    word.to_owned()
}

fn signed(exponent: i32) -> String {
    format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Rounded to six decimals, half to even as decimals are.
pub fn round6(value: f64) -> f64 {
    if !value.is_finite() || value.abs() >= 1e15 {
        return value;
    }
    format!("{value:.6}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_prints_them() {
        for (value, g, repr) in [
            (100.0, "100", "100.0"),
            (0.1, "0.1", "0.1"),
            (1_234_567.0, "1.23457e+06", "1234567.0"),
            (123_456.7, "123457", "123456.7"),
            (0.000_01, "1e-05", "1e-05"),
            (1e16, "1e+16", "1e+16"),
            (-2.5, "-2.5", "-2.5"),
            (0.0, "0", "0.0"),
            (f64::INFINITY, "inf", "inf"),
            (1.0 / 3.0, "0.333333", "0.3333333333333333"),
        ] {
            assert_eq!((general(value).as_str(), shortest(value).as_str()), (g, repr));
        }
    }

    #[test]
    fn rounding_is_by_the_exact_value() {
        // Which is a little less.
        assert_eq!(round6(0.123_456_5), 0.123_456);
        assert_eq!(round6(1.0 / 3.0), 0.333_333);
        assert_eq!(round6(-7.0), -7.0);
    }
}
