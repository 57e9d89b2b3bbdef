//! What other nodes reach: one port, UDP and TCP.
pub mod grpc;
pub mod tcp;
pub mod udp;
