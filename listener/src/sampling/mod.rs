//! Remote sampling: what clients of Jaeger and OpenTelemetry ask for, and how it follows the traffic.
//!
//! A client that gets no answer samples nothing: that is the client's decision, and here nothing is done to change it.
//! Each listener adapts to the root spans that it takes itself: several do not agree, see `docs/tracing.md`.
pub mod adaptive;
pub mod file;
pub(crate) mod follow;
pub mod serve;
pub mod strategy;

use adaptive::{Adaptive, Goal};
use file::Strategies;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use strategy::Strategy;

/// The name of the file in the data folder that keeps adapted probabilities over a restart.
const STATE_FILE: &str = "sampling.json";

/// How clients are told to sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingConfig {
    /// A file of strategies, as Jaeger's.
    pub strategies: Option<PathBuf>,
    /// The probability of services that no file names.
    pub probability: f64,
    /// Services that no file names follow their traffic.
    pub adaptive: Option<Goal>,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        SamplingConfig { strategies: None, probability: 1.0, adaptive: None }
    }
}

/// Strategies as they are now.
#[derive(Debug)]
pub struct Sampling {
    config: SamplingConfig,
    state_file: PathBuf,
    strategies: Mutex<Strategies>,
    adaptive: Option<Mutex<Adaptive>>,
}

impl Sampling {
    /// Reads the file of strategies, and the state that is kept in the data folder.
    ///
    /// # Errors
    /// What is wrong with the file of strategies, in words.
    pub fn open(config: &SamplingConfig, data: &std::path::Path) -> Result<Sampling, String> {
        let strategies = match &config.strategies {
            Some(file) => read(file, config.probability)?,
            None => Strategies::of_probability(config.probability),
        };
        strategies.warnings.iter().for_each(|warning| tracing::warn!("sampling.strategies: {warning}"));
        let state_file = data.join(STATE_FILE);
        let adaptive = config.adaptive.map(|goal| Mutex::new(load(goal, &state_file)));
        if adaptive.is_some() {
            tracing::info!(
                "sampling.adaptive: probabilities follow the spans of this listener alone; others do not agree with it"
            );
        }
        Ok(Sampling { config: config.clone(), state_file, strategies: Mutex::new(strategies), adaptive })
    }

    /// What a client of a service is told. What the file says of a service by its name goes before what its traffic says.
    pub fn strategy(&self, service: &str) -> Strategy {
        let strategies = lock(&self.strategies);
        match &self.adaptive {
            Some(adaptive) if !strategies.services.contains_key(service) => lock(adaptive).strategy(service),
            _ => strategies.of(service).clone(),
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(file: &std::path::Path, probability: f64) -> Result<Strategies, String> {
    let named = |why: String| format!("sampling.strategies: {}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
    Strategies::parse(&text, probability).map_err(named)
}

fn load(goal: Goal, file: &std::path::Path) -> Adaptive {
    let saved = match std::fs::read(file) {
        Ok(saved) => saved,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Adaptive::new(goal),
        Err(error) => {
            tracing::warn!("{}: {error}: sampling probabilities begin anew", file.display());
            return Adaptive::new(goal);
        }
    };
    Adaptive::load(goal, &saved).unwrap_or_else(|error| {
        tracing::warn!("{}: {error}: sampling probabilities begin anew", file.display());
        Adaptive::new(goal)
    })
}
