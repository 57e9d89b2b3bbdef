//! The binary from outside, as a user or a script sees it: exit codes, output, and the whole pipeline.
#![allow(clippy::unwrap_used)]
mod access;
mod attacks;
mod client_loss;
mod commands;
mod end_to_end;
mod filters;
mod json_logs;
mod results;
mod rights;
mod running;
mod s3;
mod shipping;
mod sight;
mod states;
mod strays;
mod top;
#[cfg(feature = "toy")]
mod toy;
