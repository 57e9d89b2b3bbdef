//! What rules of privacy are to a format: it hands over its messages and tags, and writes down what is left of them.
use crate::wire::Message;

/// The reason of a message that a rule drops.
pub(super) const DROPPED: &str = "privacy";

/// Rules that take out of a message what must not reach a disk.
pub trait Redactor {
    /// Rewrites a message; false where it is to be dropped as a whole.
    fn message(&self, message: &mut Message) -> bool;

    /// Rewrites the tags of a value that is no message.
    fn tags(&self, tags: &mut Vec<(String, String)>);
}

/// What is left of a datagram.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    /// The datagram to journal, if anything of it is left.
    pub datagram: Option<Vec<u8>>,
    /// What must be journaled in another format than it came in, by the code of that.
    pub moved: Vec<(u8, Vec<u8>)>,
    /// What was refused: reason and number of messages.
    pub rejected: Vec<(&'static str, u64)>,
}

impl Redacted {
    /// Nothing is left, for this reason.
    pub(super) fn refused(reason: &'static str) -> Redacted {
        Redacted { rejected: vec![(reason, 1)], ..Redacted::default() }
    }
}
