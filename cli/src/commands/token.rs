//! `metlog token`: a new token, and the lines of the configuration that let it in.
use super::print;
use crate::access::token::{generate, hash, hex, parse_time};
use crate::arguments::TokenOptions;
use crate::failure::Failure;
use toml::Value;

/// Prints the token, which is stored nowhere, and the lines.
///
/// # Errors
/// Where the date is none.
pub fn run(options: &TokenOptions) -> Result<(), Failure> {
    if options.expires.as_ref().is_some_and(|expires| parse_time(expires).is_none()) {
        return Err(Failure::usage("--expires: must be a date such as 2027-12-31"));
    }
    if options.role == "admin" && !options.loggers.is_empty() {
        return Err(Failure::usage("--loggers: an admin sees all loggers"));
    }
    let token = generate();
    print(&format!(
        "# The token, shown only this once: give it to {}.\n#   {token}\n{}",
        options.name.replace(char::is_control, " "),
        lines(options, &hex(&hash(&token)))
    ))
}

fn lines(options: &TokenOptions, hash: &str) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let mut lines = format!("[[access.tokens]]\nname = {}\nsha256 = \"{hash}\"\n", text(&options.name));
    lines.push_str(&format!("role = {}\n", text(&options.role)));
    if !options.loggers.is_empty() {
        lines.push_str(&format!("loggers = {}\n", Value::from(options.loggers.clone())));
    }
    if let Some(expires) = &options.expires {
        lines.push_str(&format!("expires = {}\n", text(expires)));
    }
    lines
}
