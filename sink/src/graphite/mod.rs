//! The Graphite sink: windows as points, to carbon, in its plaintext or its pickle protocol. Messages are not for it.
//!
//! `Ok` means that every point was passed to the kernel on a connection that carbon had not closed. Carbon
//! acknowledges nothing, so the lines written in the last minute are kept and written again if that connection
//! turns out to be broken. Points can still be lost if carbon's machine received them, carbon never read them, and
//! this process ends before it notices.
//!
//! The same window always yields the same points, and a point that arrives twice overwrites itself.
pub mod config;
mod connect;
mod points;
#[cfg(test)]
mod tests;

pub use config::{Config, Protocol};

use crate::{Batch, Receipt, Role, Sink, SinkError};
use bytes::Bytes;
use connect::Connection;
use futures::future::BoxFuture;
use metlog_schemas::window::Window;
use points::{Flush, pickles, plaintext, points};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// See the module.
#[derive(Debug)]
pub struct Graphite {
    config: Config,
    connection: Connection,
    last: Flush,
}

impl Graphite {
    /// Connects on the first write.
    pub fn new(config: Config) -> Graphite {
        Graphite { connection: Connection::new(&config), config, last: Flush::default() }
    }

    fn bytes_of(&mut self, window: &Window) -> Bytes {
        let started = Instant::now();
        let points = points(window, &self.last, &self.config);
        self.last.calculation_ms = whole_ms(started);
        match self.config.protocol {
            Protocol::Plaintext => plaintext(&points).into(),
            Protocol::Pickle => pickles(&points).into(),
        }
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        // One by one: after an outage there are many, and their points together would be large.
        for window in &batch.windows {
            let bytes = self.bytes_of(window);
            let (started, length) = (Instant::now(), bytes.len());
            if let Err(error) = self.connection.write(bytes).await {
                self.last.failed_at = seconds_now();
                return Err(error);
            }
            self.last = Flush { write_ms: whole_ms(started), bytes: length, ended_at: seconds_now(), ..self.last };
        }
        Ok(Receipt { written: batch.value_count(), set_aside: 0 })
    }
}

fn whole_ms(since: Instant) -> f64 {
    since.elapsed().as_millis() as f64
}

fn seconds_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

impl Sink for Graphite {
    fn name(&self) -> &'static str {
        "graphite"
    }

    fn role(&self) -> Role {
        Role::Windows
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(self.write_all(batch))
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(self.connection.open())
    }
}
