//! Queries in processes of their own, so that whatever a query does ends at most its own process.
//!
//! The server's side is a [`Pool`]: it starts workers (the same program with another command), gives each one query
//! at a time, hands it the rows that the listener holds, passes the result on to whoever asked, and kills the worker
//! where it takes too long. The worker's side is [`run_worker`]: an engine with a limit of memory that the kernel holds.
//! They talk over a pair of sockets in frames (`frame`); what is in them is in `messages`.
//!
//! **Invariants.** The server never parses, plans or evaluates what a user wrote, and never holds more of a result
//! than a few chunks, except for results that it asked for itself (`batches`), which are bounded. A worker has one file of
//! the server: its end of the channel.
mod batches;
mod confine;
mod exchange;
mod frame;
mod messages;
mod pool;
mod process;
mod remote;
mod text;
mod turns;
mod worker;

pub use batches::{Batches, Streamed};
pub(crate) use exchange::Reply;
pub use messages::Query;
pub use pool::{Launch, Pool, PoolConfig, memory_within};
pub use worker::{Opened, run_worker};
