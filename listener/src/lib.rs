//! x
pub mod config;
pub mod privacy;
