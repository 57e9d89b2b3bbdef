//! What a gauge with a sign means: etsy's server adds it to the gauge, DogStatsD's sets the gauge to it.
use super::{Kind, Sample, Value};

/// Whose meaning a gauge with a sign has. It is part of what a journal is read back by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GaugeDeltas {
    /// Always added. What metlog 0.1 did, and so what its journals mean.
    #[default]
    Etsy,
    /// Always set.
    Dogstatsd,
    /// Set where the line has sections that only DogStatsD has (see [`Sample::is_dogstatsd`]), added otherwise.
    Auto,
}

impl GaugeDeltas {
    /// Every one, by its name in the configuration.
    pub const ALL: [(&'static str, GaugeDeltas); 3] =
        [("auto", GaugeDeltas::Auto), ("etsy", GaugeDeltas::Etsy), ("dogstatsd", GaugeDeltas::Dogstatsd)];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            GaugeDeltas::Auto => "auto",
            GaugeDeltas::Etsy => "etsy",
            GaugeDeltas::Dogstatsd => "dogstatsd",
        }
    }

    /// The one of a name.
    pub fn named(name: &str) -> Option<GaugeDeltas> {
        GaugeDeltas::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, found)| found)
    }

    /// The sample with the value that it has under this.
    #[inline]
    pub(super) fn apply<'a>(self, sample: Sample<'a>) -> Sample<'a> {
        match sample.value {
            Value::Delta(value) if sample.kind == Kind::Gauge && self.sets(&sample) => {
                Sample { value: Value::Number(value), ..sample }
            }
            _ => sample,
        }
    }

    fn sets(self, sample: &Sample<'_>) -> bool {
        match self {
            GaugeDeltas::Etsy => false,
            GaugeDeltas::Dogstatsd => true,
            GaugeDeltas::Auto => sample.is_dogstatsd,
        }
    }
}

/// True for a section, behind its `|`, that is neither a rate nor tags and that DogStatsD has.
pub(super) fn is_of_dogstatsd(section: &[u8]) -> bool {
    match section {
        [b'T', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => [&b"#"[..], b"c:", b"e:", b"card:"].iter().any(|begin| section.starts_with(begin)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Annotation, Lines, Reason, parse};
    use super::*;

    /// Plays lines to one gauge.
    struct Played(GaugeDeltas, f64);

    impl Lines for Played {
        fn sample(&mut self, sample: Sample<'_>) {
            match self.0.apply(sample).value {
                Value::Number(value) => self.1 = value,
                Value::Delta(delta) => self.1 += delta,
                Value::Member(member) => panic!("{member:?}"),
            }
        }
        fn message(&mut self, _: &Annotation<'_>) {}
        fn bad(&mut self, line: &[u8], reason: Reason) {
            panic!("{reason:?}: {}", String::from_utf8_lossy(line));
        }
    }

    fn check(line: &str, auto: f64) {
        let three = [line; 3].join("\n");
        for (deltas, expected) in [(GaugeDeltas::Auto, auto), (GaugeDeltas::Etsy, -15.0), (GaugeDeltas::Dogstatsd, -5.0)]
        {
            let mut gauge = Played(deltas, 0.0);
            parse(three.as_bytes(), &mut gauge);
            assert_eq!(gauge.1.to_bits(), expected.to_bits(), "{line} three times, {deltas:?}");
        }
    }

    #[test]
    fn a_gauge_with_a_sign_three_times() {
        for of_etsy in ["temp:-5|g", "temp:-5|g|@0.5", "temp;room=a:-5|g", "temp:-5|g|future", "temp:-5|g|Tx"] {
            check(of_etsy, -15.0);
        }
        for of_dogstatsd in [
            "temp:-5|g|#room:a",
            "temp:-5|g|#",
            "temp:-5|g|@1|#room:a",
            "temp:-5|g|T1656581400",
            "temp:-5|g|c:ci-2f4a",
            "temp:-5|g|e:it-false",
            "temp:-5|g|card:low",
            "temp:-5|g|#room:a|c:ci-2f4a",
        ] {
            check(of_dogstatsd, -5.0);
        }
    }

    #[test]
    fn what_begins_another_value_is_no_section_of_dogstatsd() {
        let mut gauge = Played(GaugeDeltas::Auto, 0.0);
        parse(b"temp:-5|g:-5|g:-5|g", &mut gauge);
        assert_eq!(gauge.1.to_bits(), (-15.0f64).to_bits());
    }

    #[test]
    fn each_has_its_name() {
        for (name, deltas) in GaugeDeltas::ALL {
            assert_eq!((deltas.name(), GaugeDeltas::named(name)), (name, Some(deltas)));
        }
        assert_eq!((GaugeDeltas::named("statsd"), GaugeDeltas::default()), (None, GaugeDeltas::Etsy));
    }
}
