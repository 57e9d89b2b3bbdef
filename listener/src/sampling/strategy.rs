//! What a client is told to sample, and its forms: JSON as Jaeger's collector writes it, and the older one of its agent.
use serde_json::{Value, json};

/// A probability for each operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operations {
    /// Of operations that are not listed.
    pub default_probability: f64,
    /// Traces a second of each operation that a client samples whatever the probability says.
    pub lower_bound_per_second: f64,
    /// Operation and probability, each operation once.
    pub listed: Vec<(String, f64)>,
}

/// How a client picks traces where no operation says more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pick {
    /// With this probability, from 0 to 1.
    Probability(f64),
    /// At most so many traces a second.
    TracesPerSecond(u32),
}

/// What one service is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// Where operations do not say more.
    pub pick: Pick,
    /// By operation.
    pub operations: Option<Operations>,
}

impl Strategy {
    /// The same probability for every operation.
    pub fn of_probability(probability: f64) -> Strategy {
        Strategy { pick: Pick::Probability(probability), operations: None }
    }

    /// As `/sampling` has it. Every number is there, also where it is 0, and a list without items is `[]`.
    pub fn json(&self) -> Value {
        self.json_with("PROBABILISTIC".into(), "RATE_LIMITING".into())
    }

    /// As `/` of Jaeger's agent had it: kinds by number.
    pub fn legacy_json(&self) -> Value {
        self.json_with(0.into(), 1.into())
    }

    fn json_with(&self, probabilistic: Value, rate_limiting: Value) -> Value {
        let mut body = match self.pick {
            Pick::Probability(rate) => {
                json!({"strategyType": probabilistic, "probabilisticSampling": {"samplingRate": number(rate)}})
            }
            Pick::TracesPerSecond(most) => {
                json!({"strategyType": rate_limiting, "rateLimitingSampling": {"maxTracesPerSecond": most}})
            }
        };
        if let Some(operations) = &self.operations {
            let of_each = |(operation, probability): &(String, f64)| json!({"operation": operation, "probabilisticSampling": {"samplingRate": number(*probability)}});
            body["operationSampling"] = json!({
                "defaultSamplingProbability": number(operations.default_probability),
                "defaultLowerBoundTracesPerSecond": number(operations.lower_bound_per_second),
                "perOperationStrategies": operations.listed.iter().map(of_each).collect::<Vec<_>>(),
                "defaultUpperBoundTracesPerSecond": 0,
            });
        }
        body
    }
}

/// Whole numbers without a fraction, as Jaeger writes them.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 { (value as i64).into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_jaeger() {
        let strategy = Strategy::of_probability(0.7);
        assert_eq!(
            strategy.json(),
            json!({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.7}})
        );
        let limited = Strategy { pick: Pick::TracesPerSecond(5), operations: None };
        assert_eq!(
            limited.legacy_json(),
            json!({"strategyType": 1, "rateLimitingSampling": {"maxTracesPerSecond": 5}})
        );
        let none = Operations { default_probability: 0.7, lower_bound_per_second: 0.0, listed: Vec::new() };
        let text = Strategy { operations: Some(none), ..strategy }.json().to_string();
        assert!(text.contains(r#""perOperationStrategies":[]"#), "{text}");
        assert!(text.contains(r#""defaultLowerBoundTracesPerSecond":0,"#) && !text.contains("null"), "{text}");
    }
}
