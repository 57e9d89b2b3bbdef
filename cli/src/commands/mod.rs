//! One file for each command, named as on the command line.
pub mod check;
pub mod completions;
pub mod ddl;
pub mod decode;
pub mod mesh;
pub mod password;
mod prompt;
pub mod query;
pub mod query_worker;
pub mod recover;
pub mod replay;
pub mod send;
pub mod serve;
pub mod status;
pub mod tail;
pub mod token;
pub mod top;
pub mod up;

use crate::failure::Failure;
use std::io::{Read, Write, stdin, stdout};
use std::path::Path;

/// Writes to stdout; a reader that is gone ends the command quietly.
fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// What is read: a file, or stdin where its name is `-`.
fn read_all(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
