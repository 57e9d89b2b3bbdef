//! Adaptive sampling: probabilities that follow the traffic, so that each operation of each service gives about as many
//! traces a second as are wanted. Pure: time is an argument.
//!
//! Every [`STEP_SECONDS`] the traffic of an operation is estimated from the root spans that came. A span that tells the
//! probability it was sampled with stands for its inverse. One that does not, as those of OpenTelemetry, stands for the
//! inverse of what clients sampled with at that time: the mean of what was served over the last
//! [`POLL_SECONDS`], weighted by how many asked. So nothing depends on tags that only Jaeger's clients send.
//!
//! State is what [`Adaptive::save`] gives; [`Adaptive::load`] goes on from it.
use super::strategy::{Operations, Pick, Strategy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often probabilities are adjusted.
pub const STEP_SECONDS: f64 = 10.0;
/// How often clients ask by default, Jaeger's and OpenTelemetry's alike.
pub const POLL_SECONDS: f64 = 60.0;
/// Steps of a client's interval.
const POLL_STEPS: usize = 6;
/// The traffic is a mean over so many steps, the newest weighing most.
const MEMORY: f64 = 0.5;
/// A probability stays where its traffic is this near to the target.
const TOLERANCE: f64 = 0.15;
/// A rise in one step; falls are not bounded, since they are urgent.
const RISE_MAX: f64 = 3.0;
/// Where nothing comes, the probability is raised by this: the operation may just be too rare to be seen.
const RISE_UNSEEN: f64 = 2.0;
/// Most operations of a service, as many as Jaeger's clients keep apart.
const OPERATIONS_MAX: usize = 2_000;
/// Most services.
const SERVICES_MAX: usize = 10_000;
/// A service of which nothing was heard for so many steps is forgotten: a week.
const FORGOTTEN_STEPS: u64 = 7 * 24 * 360;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Traces a second of each operation of each service.
    pub target_per_second: f64,
    /// Traces a second that clients sample of each operation at least, where they support it.
    pub lower_bound_per_second: f64,
    /// The probability of an operation of which nothing is known yet.
    pub initial_probability: f64,
    /// No probability is below.
    pub least_probability: f64,
}

impl Default for Goal {
    fn default() -> Self {
        Goal {
            target_per_second: 1.0,
            lower_bound_per_second: 1.0 / 60.0,
            initial_probability: 0.001,
            least_probability: 1e-5,
        }
    }
}

/// The probabilities of all services.
#[derive(Debug, Clone)]
pub struct Adaptive {
    goal: Goal,
    services: BTreeMap<String, Service>,
    step: u64,
    /// Root spans that were not counted since there are too many names.
    pub uncounted: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Service {
    operations: BTreeMap<String, Operation>,
    /// Requests for its strategy, of this step and the ones before, the newest first.
    polls: [u32; POLL_STEPS + 1],
    /// The last step in which anything was heard of it.
    heard: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Operation {
    /// What is served, in this step and the ones before, the newest first. Never empty.
    served: Vec<f64>,
    /// Traces a second, sampled or not, as estimated; `None` before anything came.
    traffic: Option<f64>,
    /// Traces that spans of this step stand for, by what they tell.
    #[serde(skip)]
    told: f64,
    /// Root spans of this step that tell nothing.
    #[serde(skip)]
    untold: f64,
}

/// What is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    step: u64,
    services: BTreeMap<String, Service>,
}

impl Adaptive {
    /// Nothing is known.
    pub fn new(goal: Goal) -> Adaptive {
        Adaptive { goal, services: BTreeMap::new(), step: 0, uncounted: 0 }
    }

    /// Root spans of an operation came: how many, and with which probability they were sampled, where they tell it.
    pub fn count(&mut self, service: &str, operation: &str, spans: u64, probability: Option<f64>) {
        let (step, initial) = (self.step, self.goal.initial_probability);
        let Some(service) = self.service(service) else {
            self.uncounted += spans;
            return;
        };
        service.heard = step;
        let is_known = service.operations.contains_key(operation);
        if !is_known && service.operations.len() >= OPERATIONS_MAX {
            self.uncounted += spans;
            return;
        }
        if !is_known {
            service.operations.insert(operation.to_owned(), Operation::new(initial));
        }
        let Some(found) = service.operations.get_mut(operation) else { return };
        match probability {
            Some(probability) if probability > 0.0 => found.told += spans as f64 / probability.min(1.0),
            _ => found.untold += spans as f64,
        }
    }

    /// What a client of a service is told; the request is noted.
    pub fn strategy(&mut self, service: &str) -> Strategy {
        let (goal, step) = (self.goal, self.step);
        let listed = match self.service(service) {
            Some(service) => {
                service.polls[0] = service.polls[0].saturating_add(1);
                service.heard = step;
                service.operations.iter().map(|(name, operation)| (name.clone(), operation.probability())).collect()
            }
            None => Vec::new(),
        };
        let operations = Operations {
            default_probability: goal.initial_probability,
            lower_bound_per_second: goal.lower_bound_per_second,
            listed,
        };
        Strategy { pick: Pick::Probability(goal.initial_probability), operations: Some(operations) }
    }

    fn service(&mut self, name: &str) -> Option<&mut Service> {
        if !self.services.contains_key(name) {
            if self.services.len() >= SERVICES_MAX {
                return None;
            }
            self.services.insert(name.to_owned(), Service::default());
        }
        self.services.get_mut(name)
    }

    /// [`STEP_SECONDS`] have passed: probabilities follow what came in them.
    pub fn step(&mut self) {
        let goal = self.goal;
        for service in self.services.values_mut() {
            for operation in service.operations.values_mut() {
                operation.step(&service.polls, &goal);
            }
            service.polls.rotate_right(1);
            service.polls[0] = 0;
        }
        self.step += 1;
        let step = self.step;
        self.services.retain(|_, service| step - service.heard.min(step) < FORGOTTEN_STEPS);
    }

    /// Service, operation, probability, and traces a second as estimated, for an operator.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, f64, Option<f64>)> {
        self.services.iter().flat_map(|(service, of)| {
            of.operations.iter().map(move |(name, operation)| {
                (service.as_str(), name.as_str(), operation.probability(), operation.traffic)
            })
        })
    }

    /// State as JSON.
    ///
    /// # Errors
    /// Only where a number cannot be written, which would be a defect.
    pub fn save(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Saved { step: self.step, services: self.services.clone() })
    }

    /// Goes on from what [`Adaptive::save`] gave.
    ///
    /// # Errors
    /// If it is something else.
    pub fn load(goal: Goal, saved: &[u8]) -> serde_json::Result<Adaptive> {
        let Saved { step, mut services } = serde_json::from_slice(saved)?;
        for operation in services.values_mut().flat_map(|service| service.operations.values_mut()) {
            operation.served.truncate(POLL_STEPS + 1);
            operation.served.iter_mut().for_each(|probability| *probability = goal.clamped(*probability));
            if operation.served.is_empty() {
                operation.served.push(goal.initial_probability);
            }
        }
        Ok(Adaptive { goal, services, step, uncounted: 0 })
    }
}

impl Goal {
    fn clamped(&self, probability: f64) -> f64 {
        if probability.is_finite() { probability.clamp(self.least_probability.min(1.0), 1.0) } else { 1.0 }
    }
}

impl Operation {
    fn new(probability: f64) -> Operation {
        Operation { served: vec![probability], traffic: None, told: 0.0, untold: 0.0 }
    }

    fn probability(&self) -> f64 {
        self.served.first().copied().unwrap_or(1.0)
    }

    /// What clients sample with now: each goes on with what it was told when it last asked.
    fn effective(&self, polls: &[u32; POLL_STEPS + 1]) -> f64 {
        let mut sum = (0.0, 0.0);
        for (at, polls) in polls.iter().enumerate() {
            let served = self.served.get(at).or(self.served.last()).copied().unwrap_or(1.0);
            sum = (sum.0 + f64::from(*polls) * served, sum.1 + f64::from(*polls));
        }
        if sum.1 > 0.0 {
            return sum.0 / sum.1;
        }
        // Nobody asked in all that time: who sends has a strategy that is older.
        self.served.last().copied().unwrap_or(1.0)
    }

    fn step(&mut self, polls: &[u32; POLL_STEPS + 1], goal: &Goal) {
        let stood_for = self.told + self.untold / self.effective(polls);
        let is_unseen = self.told + self.untold == 0.0;
        (self.told, self.untold) = (0.0, 0.0);
        let now = self.probability();
        let next = if is_unseen && self.traffic.is_none_or(|traffic| traffic * now * STEP_SECONDS < 1.0) {
            now * RISE_UNSEEN
        } else {
            let came = stood_for / STEP_SECONDS;
            // Little of it is left to chance where much came; a sudden rise is believed at once.
            let traffic = match self.traffic {
                Some(before) if came < 2.0 * before => MEMORY * before + (1.0 - MEMORY) * came,
                _ => came,
            };
            self.traffic = Some(traffic);
            let wanted = if traffic > 0.0 { goal.target_per_second / traffic } else { 1.0 };
            let is_near = (now / wanted - 1.0).abs() < TOLERANCE;
            if is_near { now } else { wanted.min(now * RISE_MAX) }
        };
        self.served.insert(0, goal.clamped(next));
        self.served.truncate(POLL_STEPS + 1);
    }
}

#[cfg(test)]
mod tests;
