//! Why a configuration was refused.
use std::fmt;
use std::path::PathBuf;

/// Why a configuration was refused: what to change is in the text.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The text is not valid TOML, or a key of `[metlog]` is unknown or has the wrong type.
    Toml {
        /// Which file, where it was one.
        path: Option<PathBuf>,
        /// Line, column, key and what was expected.
        message: String,
    },
    /// There is no `[metlog]` section.
    NoSection {
        /// Which file, where it was one.
        path: Option<PathBuf>,
    },
    /// An environment variable has an invalid value.
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A key has an invalid value.
    Invalid {
        /// Its name.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place =
            |path: &Option<PathBuf>| path.as_ref().map_or(String::new(), |path| format!("{}: ", path.display()));
        match self {
            ConfigError::Read { path, error } => write!(f, "{}: {error}", path.display()),
            ConfigError::Toml { path, message } => write!(f, "{}{}", place(path), message.trim_end()),
            ConfigError::NoSection { path } => write!(f, "{}there is no [metlog] section", place(path)),
            ConfigError::Environment { variable, reason } => write!(f, "{variable} {reason}"),
            ConfigError::Invalid { key, reason } => write!(f, "metlog.{key}: {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::Read { error, .. } => Some(error),
            _ => None,
        }
    }
}
