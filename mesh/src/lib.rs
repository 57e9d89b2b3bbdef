//! The mesh: an agent on each node that measures the network to every other.
pub mod agent;
pub mod discovery;
pub mod node;
pub mod plan;
pub mod probe;
pub mod respond;
