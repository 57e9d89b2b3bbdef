//! Probes: what a node sends to another, and what became of it.
pub mod grpc;
pub mod http;
pub mod icmp;
pub mod outcome;
pub mod packet;
pub mod socket;
pub mod tcp;
pub mod tcp_info;
pub mod train;
pub mod udp;
