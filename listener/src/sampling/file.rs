//! Strategies from a file, as Jaeger's `strategies.json` has them.
//!
//! As there, a service without operations of its own takes those of the default, with its own rate for the rest; one
//! with operations is merged with the default's, its own first; an operation with another type than `probabilistic` is
//! ignored and named. Unlike there, a probability outside of 0 to 1 is an error.
use super::strategy::{Operations, Pick, Strategy};
use serde::Deserialize;
use std::collections::HashMap;

/// The probability where a file names a type that is not known, and where a rate is limited and operations are listed.
const PROBABILITY_OF_UNKNOWN: f64 = 0.001;
/// Most services and operations in a file.
const ENTRIES_MAX: usize = 100_000;

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategies {
    /// Of services that it does not name.
    pub default: Strategy,
    /// Of those that it names.
    pub services: HashMap<String, Strategy>,
    /// What in it is ignored, in words.
    pub warnings: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    default_strategy: Option<Entry>,
    service_strategies: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    service: String,
    r#type: String,
    param: f64,
    operation_strategies: Vec<OperationEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OperationEntry {
    operation: String,
    r#type: String,
    param: f64,
}

impl Strategies {
    /// One probability for all.
    pub fn of_probability(probability: f64) -> Strategies {
        Strategies { default: Strategy::of_probability(probability), services: HashMap::new(), warnings: Vec::new() }
    }

    /// What a service is told.
    pub fn of(&self, service: &str) -> &Strategy {
        self.services.get(service).unwrap_or(&self.default)
    }

    /// Reads a file; `probability` is that of its default strategy where it has none. `null` is an empty file, as for
    /// Jaeger.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, probability: f64) -> Result<Strategies, String> {
        // A list would be read as the members of an object in their order.
        if text.trim_start().starts_with('[') {
            return Err("it is a list, not an object".to_owned());
        }
        let file: Option<File> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let file = file.unwrap_or_default();
        let entries: usize = file.service_strategies.iter().map(|entry| 1 + entry.operation_strategies.len()).sum();
        if entries > ENTRIES_MAX {
            return Err(format!("more than {ENTRIES_MAX} services and operations"));
        }
        let mut strategies = Strategies::of_probability(probability);
        let warnings = &mut strategies.warnings;
        if let Some(entry) = &file.default_strategy {
            let pick = pick("default_strategy", &entry.r#type, entry.param, warnings)?;
            let listed = operations("default_strategy", &entry.operation_strategies, warnings)?;
            strategies.default = Strategy { pick, operations: with(pick, listed) };
        }
        for entry in &file.service_strategies {
            if entry.service.is_empty() {
                return Err("a service strategy has no `service`".to_owned());
            }
            let name = format!("service `{}`", entry.service);
            let pick = pick(&name, &entry.r#type, entry.param, warnings)?;
            let mut listed = operations(&name, &entry.operation_strategies, warnings)?;
            let of_default = strategies.default.operations.iter().flat_map(|operations| &operations.listed);
            for (operation, probability) in of_default {
                if listed.iter().all(|(own, _)| own != operation) {
                    listed.push((operation.clone(), *probability));
                }
            }
            strategies.services.insert(entry.service.clone(), Strategy { pick, operations: with(pick, listed) });
        }
        Ok(strategies)
    }
}

fn with(pick: Pick, listed: Vec<(String, f64)>) -> Option<Operations> {
    let default_probability = match pick {
        Pick::Probability(probability) => probability,
        Pick::TracesPerSecond(_) => PROBABILITY_OF_UNKNOWN,
    };
    (!listed.is_empty()).then_some(Operations { default_probability, lower_bound_per_second: 0.0, listed })
}

fn pick(name: &str, r#type: &str, param: f64, warnings: &mut Vec<String>) -> Result<Pick, String> {
    match r#type {
        "probabilistic" => Ok(Pick::Probability(probability(name, param)?)),
        "ratelimiting" if (0.0..=f64::from(i16::MAX)).contains(&param) => Ok(Pick::TracesPerSecond(param as u32)),
        "ratelimiting" => Err(format!("{name}: `param` is {param}; traces a second are 0 to {}", i16::MAX)),
        other => {
            warnings.push(format!("{name}: type `{other}` is not known, its probability is {PROBABILITY_OF_UNKNOWN}"));
            Ok(Pick::Probability(PROBABILITY_OF_UNKNOWN))
        }
    }
}

fn probability(name: &str, param: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&param) {
        Ok(param)
    } else {
        Err(format!("{name}: `param` is {param}; a probability is 0 to 1"))
    }
}

fn operations(
    name: &str,
    entries: &[OperationEntry],
    warnings: &mut Vec<String>,
) -> Result<Vec<(String, f64)>, String> {
    let mut listed: Vec<(String, f64)> = Vec::new();
    for OperationEntry { operation, r#type, param } in entries {
        let name = format!("{name}, operation `{operation}`");
        if r#type != "probabilistic" {
            warnings.push(format!("{name} is ignored: operations can only be `probabilistic`, not `{type}`"));
            continue;
        }
        let probability = probability(&name, *param)?;
        if listed.iter().all(|(known, _)| known != operation) {
            listed.push((operation.clone(), probability));
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "default_strategy": {"type": "probabilistic", "param": 0.5, "operation_strategies": [
            {"operation": "/health", "type": "probabilistic", "param": 0.0},
            {"operation": "/slow", "type": "ratelimiting", "param": 3}]},
        "service_strategies": [
            {"service": "plain", "type": "probabilistic", "param": 0.8},
            {"service": "limited", "type": "ratelimiting", "param": 5},
            {"service": "own", "type": "probabilistic", "param": 1, "operation_strategies": [
                {"operation": "op1", "type": "probabilistic", "param": 0.2},
                {"operation": "/health", "type": "probabilistic", "param": 0.1}]},
            {"service": "odd", "type": "adaptive", "param": 1}]}"#;

    fn listed(strategy: &Strategy) -> Vec<(&str, f64)> {
        let operations = strategy.operations.iter().flat_map(|operations| &operations.listed);
        operations.map(|(name, probability)| (name.as_str(), *probability)).collect()
    }

    #[test]
    fn services_inherit_as_in_jaeger() {
        let strategies = Strategies::parse(FILE, 1.0).unwrap();
        assert_eq!(strategies.of("unnamed").pick, Pick::Probability(0.5));
        assert_eq!(listed(strategies.of("unnamed")), [("/health", 0.0)]);
        let plain = strategies.of("plain");
        assert_eq!((plain.pick, listed(plain)), (Pick::Probability(0.8), vec![("/health", 0.0)]));
        assert_eq!(plain.operations.as_ref().unwrap().default_probability, 0.8);
        let limited = strategies.of("limited");
        assert_eq!((limited.pick, listed(limited)), (Pick::TracesPerSecond(5), vec![("/health", 0.0)]));
        assert_eq!(limited.operations.as_ref().unwrap().default_probability, 0.001);
        assert_eq!(listed(strategies.of("own")), [("op1", 0.2), ("/health", 0.1)]);
        assert_eq!(strategies.of("odd").pick, Pick::Probability(0.001));
        assert_eq!(strategies.warnings.len(), 2, "{:?}", strategies.warnings);
    }

    #[test]
    fn what_is_no_file_of_strategies() {
        assert_eq!(Strategies::parse("null", 0.25).unwrap(), Strategies::of_probability(0.25));
        assert_eq!(Strategies::parse("{}", 0.25).unwrap(), Strategies::of_probability(0.25));
        for bad in [
            "",
            "[]",
            r#"{"default_strategy": {"type": "probabilistic", "param": 1.5}}"#,
            r#"{"default_strategy": {"type": "ratelimiting", "param": -1}}"#,
            r#"{"service_strategies": [{"type": "probabilistic", "param": 1}]}"#,
        ] {
            assert!(Strategies::parse(bad, 1.0).is_err(), "{bad}");
        }
    }
}
