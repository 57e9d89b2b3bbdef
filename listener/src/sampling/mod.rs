//! Remote sampling: what clients of Jaeger and OpenTelemetry ask for, and how it follows the traffic.
//!
//! A client that gets no answer samples nothing: that is the client's decision, and here nothing is done to change it.
pub mod adaptive;
pub mod file;
pub mod strategy;
