//! `metlog decode`: a datagram or a journal segment as JSON lines.
use super::read_all;
use crate::arguments::DecodeOptions;
use crate::failure::Failure;
use metlog_listener::decode;
use std::io::{BufWriter, Write, stdout};

/// Prints a line for each record of a segment, or for the header and each message of a datagram.
///
/// # Errors
/// Where the file cannot be read, or is neither.
pub fn run(options: &DecodeOptions) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("{}: {error}", options.file.display()));
    let bytes = read_all(&options.file).map_err(failed)?;
    let mut out = BufWriter::new(stdout().lock());
    let mut written = Ok(());
    let decoded = decode(&bytes, &mut |value| {
        if written.is_ok() {
            written = writeln!(out, "{value}");
        }
    });
    written.and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    decoded.map_err(failed)
}
