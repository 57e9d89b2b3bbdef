//! What rules of privacy are to a format: it hands over its messages and tags, and writes down what is left of them.
use crate::wire::Message;

/// The reason of a message that a rule drops.
pub const DROPPED: &str = "privacy";
/// The reason of a message that may hold what a rule is about where no rule can reach it.
pub const UNREADABLE: &str = "privacy_unreadable";

/// Rules that take out of a message what must not reach a disk.
pub trait Redactor {
    /// Rewrites a message.
    ///
    /// # Errors
    /// The reason for which it must be refused as a whole: [`DROPPED`], or [`UNREADABLE`].
    fn message(&self, message: &mut Message) -> Result<(), &'static str>;

    /// Rewrites the tags of a value that is no message.
    fn tags(&self, tags: &mut Vec<(String, String)>);

    /// True if [`Redactor::tags`] would rewrite a tag of this key.
    fn covers_tag(&self, key: &str) -> bool;
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
