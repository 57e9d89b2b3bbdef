//! How times of spans are written.
use metlog_query::trace::TraceId;

/// Nanoseconds in few characters: `850 ns`, `12.3 ms`, `2 min 5 s`.
pub(super) fn nanos(nanos: u64) -> String {
    let number = |value: f64, unit: &str| {
        let digits = if value >= 100.0 { 0 } else if value >= 10.0 { 1 } else { 2 };
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        format!("{text} {unit}")
    };
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => number(value / 1e3, "µs"),
        1_000_000..1_000_000_000 => number(value / 1e6, "ms"),
        1_000_000_000..60_000_000_000 => number(value / 1e9, "s"),
        _ => {
            let seconds = nanos / 1_000_000_000;
            match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
                (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
                (hours, minutes, _) => format!("{hours} h {minutes} min"),
            }
        }
    }
}

/// The beginning of a trace's id, which tells it from others on a page.
pub(super) fn short_id(id: TraceId) -> String {
    id.short().chars().take(8).collect()
}

/// A share in percent.
pub(super) fn percent(part: u64, of: u64) -> String {
    if of == 0 { "0 %".to_owned() } else { format!("{:.1} %", part as f64 / of as f64 * 100.0).replace(".0 %", " %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (value, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (12_345_678, "12.3 ms"),
            (999_900_000, "1000 ms"),
            (2_000_000_000, "2 s"),
            (125_000_000_000, "2 min 5 s"),
            (7_320_000_000_000, "2 h 2 min"),
        ] {
            assert_eq!(nanos(value), text);
        }
        assert_eq!((percent(1, 3), percent(0, 0), percent(2, 2)), ("33.3 %".into(), "0 %".into(), "100 %".into()));
    }
}
