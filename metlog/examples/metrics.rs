//! A service that measures itself through the `metrics` crate: its counters, gauges and histograms become statsd values.
//!
//! `cargo run -p metlog --features metrics --example metrics`, with `metlog up` running beside it.
use metrics::{Unit, counter, describe_histogram, gauge, histogram};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = metlog::init(metlog::Config::from_env()?)?;
    metrics::set_global_recorder(metlog::Recorder::new())?;
    // What is no time must be described; a histogram that is not described is taken for seconds.
    describe_histogram!("response.size", Unit::Bytes, "Bytes of a response's body");

    let requests = gauge!("requests.open");
    for size in [512, 2_048, 150] {
        requests.increment(1);
        let began = Instant::now();
        counter!("requests", "route" => "/cart").increment(1);
        histogram!("response.size", "route" => "/cart").record(size);
        histogram!("request.time", "route" => "/cart").record(began.elapsed());
        requests.decrement(1);
    }

    drop(guard); // what still waits is sent
    Ok(())
}
