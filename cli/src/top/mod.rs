//! `metlog top`: a running server at a glance, in a terminal.
//!
//! One model, changed by events ([`model`]), drawn from scratch for each ([`screen`]). Nothing here touches the terminal
//! or the network but [`ask`] and the command itself.
//!
//! **Invariant.** Names come from whoever sends: every text of the server is made harmless where it is read, in
//! [`sample`] and [`ask`], so that no escape sequence reaches the terminal.
pub mod ask;
pub mod grid;
mod keys;
pub mod model;
pub mod once;
pub mod sample;
pub mod screen;
#[cfg(test)]
mod tests;
