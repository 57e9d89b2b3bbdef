//! `metlog completions`: a script for a shell, made of the command line's own definition.
use super::print_bytes;
use crate::arguments::{CompletionsOptions, command};
use crate::failure::Failure;

/// Prints it.
///
/// # Errors
/// Where it cannot be written.
pub fn run(options: &CompletionsOptions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "metlog", &mut script);
    print_bytes(&script)
}
