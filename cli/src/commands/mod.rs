//! One file for each command, named as on the command line.
pub mod check;
pub mod ddl;
pub mod decode;
pub mod query;
pub mod query_worker;
pub mod replay;
pub mod send;
pub mod status;
pub mod tail;
pub mod up;

use crate::failure::Failure;
use std::io::{Write, stdout};

/// Writes to stdout; a reader that is gone ends the command quietly.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}
