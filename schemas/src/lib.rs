//! The contract: what any two programs must agree on. Pure: no I/O, no clock.
//!
//! Formats that come in (`metlog_json`, `statsd`, and the wire itself), what is made of them (`rows`,
//! `window`), and where it goes (`tables`, `object_path`, `ddl`).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ddl;
pub mod error;
pub mod metlog_json;
pub mod object_path;
pub mod rows;
pub mod statsd;
pub mod tables;
pub mod time;
pub mod window;

pub use metlog_wire as wire;
