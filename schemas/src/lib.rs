//! The contract: what any two programs must agree on. Pure: no I/O, no clock.
//!
//! Input formats (`format`), what they are decoded to (`rows`, `window`), how it is stored (`table`, `object_path`,
//! `ddl`), what it is called in Graphite (`carbon`), and rows that are not stored yet (`hot`).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod budget;
pub mod carbon;
pub mod ddl;
pub mod error;
pub mod format;
pub mod hot;
pub mod object_path;
pub mod rows;
pub mod span;
pub mod table;
pub mod time;
pub mod trace_index;
pub mod window;

pub use format::{metlog_json, statsd};
pub use metlog_wire as wire;

/// The module's former name.
pub mod tables {
    pub use crate::table::*;
}
