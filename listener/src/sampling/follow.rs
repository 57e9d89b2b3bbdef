//! Strategies that follow what happens: root spans as they arrive, and a file that is edited.
use super::adaptive::STEP_SECONDS;
use super::{Sampling, lock, read};
use crate::pipeline::{LiveEvent, Pipeline};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use metlog_schemas::table::Table;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Counts of root spans, by service and operation; told: by the probability that they tell, as its bits.
type Roots = HashMap<(String, String, Option<u64>), u64>;

impl Sampling {
    /// Follows until the pipeline is gone.
    pub(crate) async fn follow(self: Arc<Self>, pipeline: Arc<Pipeline>) {
        let mut ticks = interval(Duration::from_secs_f64(STEP_SECONDS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        // Rows are shown to whoever looks only while there is somebody: not for fixed strategies.
        let mut live = self.adaptive.is_some().then(|| pipeline.subscribe());
        drop(pipeline);
        let mut step = Step::default();
        loop {
            tokio::select! {
                event = async { match &mut live { Some(live) => live.next().await, None => std::future::pending().await } } => match event {
                    Some(LiveEvent::Rows(rows)) if rows.table == Table::Spans => step.count(&rows.batch),
                    Some(LiveEvent::Rows(_)) => (),
                    Some(LiveEvent::Missed { rows, .. }) => step.missed += rows[Table::Spans],
                    None => return,
                },
                _ = ticks.tick() => {
                    let this = self.clone();
                    let step = std::mem::take(&mut step);
                    let _ = tokio::task::spawn_blocking(move || this.step(step)).await;
                }
            }
        }
    }

    /// One step: probabilities are adjusted and kept, and the file is read again.
    fn step(&self, step: Step) {
        if let Some(adaptive) = &self.adaptive {
            let mut adaptive = lock(adaptive);
            let scale = step.scale();
            for ((service, operation, probability), count) in step.roots {
                let count = (count as f64 * scale).round() as u64;
                adaptive.count(&service, &operation, count, probability.map(f64::from_bits));
            }
            adaptive.step();
            let saved = adaptive.save();
            drop(adaptive);
            if let Err(error) =
                saved.map_err(std::io::Error::from).and_then(|saved| crate::journal::replace(&self.state_file, &saved))
            {
                tracing::warn!("{}: {error}: sampling probabilities are not kept", self.state_file.display());
            }
        }
        if let Some(file) = &self.config.strategies {
            match read(file, self.config.probability) {
                Ok(strategies) => {
                    let mut held = lock(&self.strategies);
                    if *held != strategies {
                        strategies.warnings.iter().for_each(|warning| tracing::warn!("sampling.strategies: {warning}"));
                        tracing::info!("sampling.strategies: read again");
                        *held = strategies;
                    }
                }
                Err(error) => tracing::warn!("{error}: the strategies before it stay"),
            }
        }
    }
}

/// What came within a step.
#[derive(Debug, Default)]
struct Step {
    roots: Roots,
    spans: u64,
    missed: u64,
}

impl Step {
    /// Spans that were not looked at stand for as many roots as those that were.
    fn scale(&self) -> f64 {
        if self.spans == 0 { 1.0 } else { (self.spans + self.missed) as f64 / self.spans as f64 }
    }

    fn count(&mut self, batch: &RecordBatch) {
        self.spans += batch.num_rows() as u64;
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (Some(parent), Some(service), Some(name), Some(probability)) = (
            text("parent_span_id"),
            text("service"),
            text("name"),
            batch.column_by_name("sampling_probability").and_then(|of| of.as_primitive_opt::<Float64Type>()),
        ) else {
            return;
        };
        // Most batches have few operations, and rows of one stand together.
        for row in (0..batch.num_rows()).filter(|row| parent.value(*row).is_empty()) {
            let told = probability.is_valid(row).then(|| probability.value(row).to_bits());
            *self.roots.entry((service.value(row).to_owned(), name.value(row).to_owned(), told)).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::SamplingConfig;
    use crate::sampling::adaptive::Goal;
    use crate::sampling::strategy::Pick;
    use metlog_schemas::span::{SpanRows, Value};

    fn spans(roots: usize, probability: Option<f64>) -> RecordBatch {
        let mut rows = SpanRows::default();
        rows.resource("otlp").attribute("service.name", Value::Str("shop"));
        for nth in 0..roots {
            let mut row = rows.begin();
            row.trace_id([1; 16]).span_id([nth as u8 + 1; 8]).name("GET /");
            probability.map(|probability| row.sampling_probability(probability).start_nanos());
            row.commit(0).unwrap();
            let mut child = rows.begin();
            child.trace_id([1; 16]).span_id([200; 8]).parent_span_id([7; 8]).name("child");
            child.commit(0).unwrap();
        }
        rows.finish().unwrap()
    }

    #[test]
    fn root_spans_move_a_probability_and_a_restart_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let goal = Goal { target_per_second: 1.0, initial_probability: 0.5, ..Goal::default() };
        let config = SamplingConfig { adaptive: Some(goal), ..SamplingConfig::default() };
        let sampling = Sampling::open(&config, folder.path()).unwrap();
        let probability = |sampling: &Sampling| sampling.strategy("shop").operations.unwrap().listed;
        assert_eq!(probability(&sampling), []);
        for _ in 0..20 {
            let mut step = Step::default();
            step.count(&spans(10, Some(0.1)));
            // As many were not seen.
            step.missed = 20;
            sampling.step(step);
        }
        // 20 roots of 0.1 in 10 s are 20 traces a second.
        let (name, adapted) = probability(&sampling)[0].clone();
        assert_eq!((name.as_str(), (adapted * 1_000.0).round()), ("GET /", 50.0));
        let again = Sampling::open(&config, folder.path()).unwrap();
        assert_eq!(probability(&again), [(name, adapted)]);
        std::fs::write(folder.path().join(crate::sampling::STATE_FILE), "{").unwrap();
        assert_eq!(probability(&Sampling::open(&config, folder.path()).unwrap()), []);
    }

    #[test]
    fn a_file_is_read_again_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("strategies.json");
        let of = |probability: &str| {
            format!(r#"{{"service_strategies":[{{"service":"a","type":"probabilistic","param":{probability}}}]}}"#)
        };
        std::fs::write(&file, of("0.5")).unwrap();
        let config = SamplingConfig { strategies: Some(file.clone()), ..SamplingConfig::default() };
        let sampling = Sampling::open(&config, folder.path()).unwrap();
        assert_eq!(sampling.strategy("a").pick, Pick::Probability(0.5));
        assert_eq!(sampling.strategy("b").pick, Pick::Probability(1.0));
        for (text, expected) in [(of("0.25"), 0.25), (of("7"), 0.25), ("{".into(), 0.25), (of("0"), 0.0)] {
            std::fs::write(&file, &text).unwrap();
            sampling.step(Step::default());
            assert_eq!(sampling.strategy("a").pick, Pick::Probability(expected), "{text}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(Sampling::open(&config, folder.path()).unwrap_err().contains("strategies.json"));
    }
}
