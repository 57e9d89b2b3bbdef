//! `metlog password`: the line of the configuration for a user's password.
use super::print;
use crate::access::password::{PASSWORD_BYTES_MAX, hash};
use crate::failure::Failure;
use console::Term;
use std::io::{IsTerminal, stdin};

/// Reads a password, twice where somebody types it, and prints the line.
///
/// # Errors
/// Where there is none, or the two differ.
pub fn run() -> Result<(), Failure> {
    let password = if stdin().is_terminal() { typed()? } else { piped()? };
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(Failure::failed(format!("a password has from 1 to {PASSWORD_BYTES_MAX} bytes")));
    }
    let hash = hash(&password).map_err(Failure::failed)?;
    print(&format!("password = \"{hash}\"\n"))
}

fn typed() -> Result<String, Failure> {
    let terminal = Term::stderr();
    let ask =
        |prompt: &str| terminal.write_str(prompt).and_then(|()| terminal.read_secure_line()).map_err(Failure::failed);
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        return Err(Failure::failed("the two differ"));
    }
    Ok(password)
}

fn piped() -> Result<String, Failure> {
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(Failure::failed)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
