//! A timer that says how long it lived.
use super::sample;
use crate::client::Emitter;
use crate::outcome::Outcome;
use std::time::{Duration, Instant};

/// Takes the time from its making until it is stopped or dropped, by a clock that never goes back. Whether
/// its sample rate takes it is decided when it is made.
#[derive(Debug)]
#[must_use = "a timer that is dropped at once times nothing"]
pub struct Timer<'a> {
    name: &'a str,
    rate: f64,
    running: Result<(&'a Emitter, Instant), Outcome>,
}

impl<'a> Timer<'a> {
    pub(crate) fn start(emitter: Option<&'a Emitter>, name: &'a str, rate: f64) -> Timer<'a> {
        let running = match emitter {
            Some(emitter) if emitter.is_timed(name) => {
                if sample::takes(rate) {
                    Ok((emitter, Instant::now()))
                } else {
                    Err(Outcome::SampledOut)
                }
            }
            _ => Err(Outcome::Off),
        };
        Timer { name, rate, running }
    }

    /// The time since it was made. `None`: it is disabled, sampled out or stopped.
    pub fn elapsed(&self) -> Option<Duration> {
        self.running.as_ref().ok().map(|(_, started)| started.elapsed())
    }

    /// Says the time now, and not when it is dropped.
    pub fn stop(mut self) -> Outcome {
        self.finish()
    }

    /// Says nothing at all.
    pub fn cancel(mut self) {
        self.running = Err(Outcome::Off);
    }

    fn finish(&mut self) -> Outcome {
        match std::mem::replace(&mut self.running, Err(Outcome::Off)) {
            Ok((emitter, started)) => emitter.timed(self.name, started.elapsed(), self.rate),
            Err(outcome) => outcome,
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}
