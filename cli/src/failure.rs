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
    /// Each is an error of its own.
    messages: Vec<String>,
}

impl Failure {
    /// It could not be done; exit code 1.
    pub fn failed(message: impl Display) -> Failure {
        Failure { code: 1, messages: vec![message.to_string()] }
    }

    /// The configuration or the command line is wrong; exit code 2.
    pub fn usage(message: impl Display) -> Failure {
        Failure { code: 2, messages: vec![message.to_string()] }
    }

    /// Nobody wants our output any more (`metlog tail | head`): no failure to speak of.
    pub fn output(error: &std::io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure { code: 0, messages: Vec::new() },
            _ => Failure::failed(format!("cannot write the output: {error}")),
        }
    }

    /// True where there is nothing to say: the reader of our output is gone.
    pub fn is_silent(&self) -> bool {
        self.messages.is_empty()
    }

    /// Says it, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        self.messages.iter().for_each(|message| logs::say_failure(message));
        ExitCode::from(self.code)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.messages.join("\n"))
    }
}

#[cfg(test)]
impl Failure {
    /// Its exit code and words.
    pub fn parts(&self) -> (u8, &str) {
        (self.code, self.messages.first().map_or("", String::as_str))
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        let messages = error.to_string().lines().map(str::to_owned).collect();
        Failure { code: 2, messages }
    }
}
