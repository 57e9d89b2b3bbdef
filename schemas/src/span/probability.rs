//! The probability with which a trace was sampled, where its trace state tells.

/// Digits of OpenTelemetry's rejection threshold.
const THRESHOLD_DIGITS: usize = 14;
/// Largest power of two that the older `p` says; above it means zero.
const POWER_MAX: u32 = 62;

/// The probability that the member `ot` of a W3C trace state tells, by its `th` (rejection threshold, 56 bits) or by
/// the older `p` (negative power of two). Above 0, at most 1.
pub fn of_trace_state(state: &str) -> Option<f64> {
    if !state.contains("ot=") {
        return None;
    }
    let member = state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let value = |key: &str| member.split(';').find_map(|pair| pair.strip_prefix(key)?.strip_prefix(':'));
    if let Some(digits) = value("th") {
        if digits.is_empty() || digits.len() > THRESHOLD_DIGITS || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let rejected = u64::from_str_radix(digits, 16).ok()? << (4 * (THRESHOLD_DIGITS - digits.len()));
        return Some(((1_u64 << 56) - rejected) as f64 / (1_u64 << 56) as f64);
    }
    let power = value("p")?.parse::<u32>().ok().filter(|power| *power <= POWER_MAX)?;
    Some(0.5_f64.powi(power.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_and_powers_are_probabilities() {
        let cases = [
            ("ot=th:0", Some(1.0)),
            ("ot=th:8", Some(0.5)),
            ("vendor=x, ot=rv:1;th:c", Some(0.25)),
            ("ot=th:ffffffffffffff", Some(1.0 / (1_u64 << 56) as f64)),
            ("ot=p:3;r:5", Some(0.125)),
            ("ot=p:63", None),
            ("ot=th:", None),
            ("ot=th:+8", None),
            ("ot=th:123456789abcdef", None),
            ("other=th:8", None),
            ("", None),
        ];
        for (state, expected) in cases {
            assert_eq!(of_trace_state(state), expected, "{state}");
        }
    }
}
