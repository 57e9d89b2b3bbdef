//! Components that views are made of. Each is HTML or SVG from the server, which stands without a script; time series
//! become charts that can be measured and dragged on where there is one.
pub mod bars;
pub mod block;
pub mod chart;
pub mod flow;
pub mod heat;
pub mod pivot;
pub(crate) mod search;
pub mod spark;
pub mod suggest;
pub mod table;
