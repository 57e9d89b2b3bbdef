//! The binary from outside, as a user or a script meets it: exit codes, what is printed, and the whole road.
#![allow(clippy::unwrap_used)]
mod attacks;
mod commands;
mod json_logs;
mod results;
mod running;
mod s3;
mod shipping;
mod sight;
mod strays;
#[cfg(feature = "toy")]
mod toy;
mod whole_road;
