//! The section `[sampling]`: what clients of tracing are told to sample.
use super::document::Section;
use super::values;
use metlog_listener::sampling::SamplingConfig;
use metlog_listener::sampling::adaptive::Goal;
use std::path::Path;

/// Reads it. Relative paths begin at `folder`.
pub fn read(root: &mut Section<'_>, folder: &Path) -> SamplingConfig {
    let mut section = root.section("sampling");
    let defaults = (SamplingConfig::default(), Goal::default());
    let goal = Goal {
        target_per_second: section
            .read("target_per_second", values::number(0.001..=1e6))
            .unwrap_or(defaults.1.target_per_second),
        lower_bound_per_second: section
            .read("lower_bound_per_second", values::number(0.0..=1e6))
            .unwrap_or(defaults.1.lower_bound_per_second),
        initial_probability: section
            .read("initial_probability", values::number(0.0..=1.0))
            .unwrap_or(defaults.1.initial_probability),
        least_probability: section
            .read("least_probability", values::number(0.0..=1.0))
            .unwrap_or(defaults.1.least_probability),
    };
    let is_adaptive = section.read("adaptive", values::boolean).unwrap_or(false);
    let config = SamplingConfig {
        strategies: section.read("strategies", values::path).map(|file| folder.join(file)),
        probability: section.read("probability", values::number(0.0..=1.0)).unwrap_or(defaults.0.probability),
        adaptive: is_adaptive.then_some(goal),
    };
    section.finish();
    config
}
