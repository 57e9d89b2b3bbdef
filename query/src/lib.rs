//! The read side: SQL over hot and stored rows.
//!
//! An [`Engine`] plans a query against one snapshot: the rows that a running listener still holds
//! ([`Hot`]) and the objects of the warehouse. A [`Pool`] has engines in processes of their own ([`run_worker`]), which
//! [`router`] offers over HTTP. [`mod@format`] writes results out.
//!
//! **Invariants.** Read only. Nothing but the object store that it was given is ever opened: no file, no
//! environment variable, no address that stands in a query. Each query is bounded in time, rows and memory.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod depth;
mod engine;
mod error;
mod expansion;
pub mod filter;
mod flight;
pub mod format;
mod functions;
pub mod graphite;
mod held;
mod hints;
mod hot;
mod hot_scan;
mod http;
mod isolate;
pub mod jaeger;
mod lenient;
mod listings;
mod partition;
mod pass_through;
mod prepare;
mod result;
mod rows;
mod scanned;
mod single;
mod snapshot;
mod store;
mod strays;
#[cfg(test)]
mod tests;
mod time_range;
pub mod trace;
mod trace_index;
mod warehouse;
mod wording;
pub mod zipkin;

pub use access::{Rights, Role};
pub use engine::{Config, Engine};
pub use error::{Error, Kind};
pub use flight::{BeginSession, flight_router};
pub use hot::Hot;
pub use http::{PARTIAL, router};
pub use isolate::{Batches, Launch, Opened, Pool, PoolConfig, Query, Streamed, memory_within, run_worker};
pub use metlog_schemas::hot::{ColdSegment, Decoder, HotRows};
pub use prepare::SQL_BYTES_MAX;
pub use result::ResultRows;
pub use scanned::Scanned;
