//! What is wrong with a filter, and where.
use serde::Serialize;
use std::fmt;

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilterError {
    /// Characters before the word that is wrong.
    pub position: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The name that was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl FilterError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> FilterError {
        FilterError { position, message: message.into(), nearest: None }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, character {}: {}", self.position + 1, self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FilterError {}
