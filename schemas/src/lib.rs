//! The contract: what any two programs must agree on. Pure: no I/O, no clock.
//!
//! Formats that come in (`format`), what is made of them (`rows`, `window`), where it goes (`table`, `object_path`,
//! `ddl`), and the rows on their way there (`hot`).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ddl;
pub mod error;
pub mod format;
pub mod hot;
pub mod object_path;
pub mod rows;
pub mod table;
pub mod time;
pub mod window;

pub use format::{metlog_json, statsd};
pub use metlog_wire as wire;

/// The module's earlier name.
pub mod tables {
    pub use crate::table::*;
}
