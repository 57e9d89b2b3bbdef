//! What must not reach a disk: rules that drop, hash or mask parts of a message before it is journaled.
use regex::Regex;

/// One rule. It applies to messages whose type and logger match (`None`: all).
#[derive(Debug, Clone)]
pub struct Rule {
    /// Only messages of this type.
    pub r#type: Option<String>,
    /// Only messages of this logger.
    pub logger: Option<String>,
    /// What it is about.
    pub target: Target,
    /// What is done to it.
    pub action: Action,
}

/// What a rule is about.
#[derive(Debug, Clone)]
pub enum Target {
    /// Each token that matches as a whole.
    Tokens(Regex),
    /// The value of each field whose key matches as a whole; for statsd lines, of each tag.
    Fields(Regex),
    /// Each part of the payload that matches.
    Payload(Regex),
    /// The message as a whole; only [`Action::Drop`] makes sense for it.
    Message,
}

/// What a rule does to its target.
#[derive(Debug, Clone)]
pub enum Action {
    /// Leaves it out.
    Drop,
    /// Puts the hex of a keyed hash (HMAC-SHA256, first 16 bytes) in its place: equal values stay equal.
    Hash(Vec<u8>),
    /// Puts this text in its place.
    Mask(String),
}
