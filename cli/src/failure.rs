//! How a command ends that did not do what was asked: 1 for a failure, 2 for a mistake in what was asked.
use crate::config::LoadError;
use crate::logs;
use std::fmt::Display;
use std::io::ErrorKind;
use std::process::ExitCode;

/// What is said on stderr, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It could not be done; exit code 1.
    pub fn failed(message: impl Display) -> Failure {
        Failure { code: 1, message: message.to_string() }
    }

    /// The configuration or the command line is wrong; exit code 2.
    pub fn usage(message: impl Display) -> Failure {
        Failure { code: 2, message: message.to_string() }
    }

    /// Nobody wants our output any more (`metlog tail | head`): no failure to speak of.
    pub fn output(error: &std::io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure { code: 0, message: String::new() },
            _ => Failure::failed(format!("cannot write the output: {error}")),
        }
    }

    /// Says it, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            logs::say_failure(&self.message);
        }
        ExitCode::from(self.code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
impl Failure {
    /// Its exit code and words.
    pub fn parts(&self) -> (u8, &str) {
        (self.code, &self.message)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        Failure::usage(error)
    }
}
