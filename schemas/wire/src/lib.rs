//! What a client and a listener must agree on: the message and its datagram. Pure: no I/O, no clock.
//!
//! Kept apart from `metlog-schemas` so that an application that links the client compiles only this.
pub mod limits;
pub mod message;
pub mod span;
pub mod v1;

pub use message::{Message, Severity};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
