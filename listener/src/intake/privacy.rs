//! What must not reach a disk: rules that drop, hash or mask parts of a message before it is journaled.
use hmac::{Hmac, KeyInit, Mac};
use metlog_schemas::format::Redactor;
use metlog_schemas::wire::Message;
use regex::Regex;
use sha2::Sha256;

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

/// The rules, ready to be applied.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// In this order.
    pub fn new(rules: Vec<Rule>) -> Rules {
        Rules { rules }
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Redactor for Rules {
    fn message(&self, message: &mut Message) -> bool {
        for rule in &self.rules {
            let applies = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
            if !applies(&rule.r#type, &message.r#type) || !applies(&rule.logger, &message.logger) {
                continue;
            }
            match &rule.target {
                Target::Message => {
                    if matches!(rule.action, Action::Drop) {
                        return false;
                    }
                }
                Target::Tokens(pattern) => {
                    rewrite(&mut message.tokens, |token| whole(pattern, token), |token| token, &rule.action);
                }
                Target::Fields(pattern) => {
                    rewrite(&mut message.fields, |(key, _)| whole(pattern, key), |(_, value)| value, &rule.action);
                }
                Target::Payload(pattern) => {
                    let put = |found: &regex::Captures<'_>| rule.action.of(&found[0]).unwrap_or_default();
                    message.payload = pattern.replace_all(&message.payload, put).into_owned();
                }
            }
        }
        true
    }

    /// Those that name neither type nor logger.
    fn tags(&self, tags: &mut Vec<(String, String)>) {
        for rule in self.rules.iter().filter(|rule| rule.r#type.is_none() && rule.logger.is_none()) {
            if let Target::Fields(pattern) = &rule.target {
                rewrite(tags, |(key, _)| whole(pattern, key), |(_, value)| value, &rule.action);
            }
        }
    }
}

impl Action {
    /// What stands in the place of a text; `None`: nothing.
    fn of(&self, text: &str) -> Option<String> {
        match self {
            Action::Drop => None,
            Action::Mask(mask) => Some(mask.clone()),
            Action::Hash(key) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
                mac.update(text.as_bytes());
                Some(mac.finalize().into_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }
}

fn whole(pattern: &Regex, text: &str) -> bool {
    pattern.find(text).is_some_and(|found| found.len() == text.len())
}

/// Applies an action to the text of each item that matches; drops the item where nothing is left.
fn rewrite<T>(items: &mut Vec<T>, matches: impl Fn(&T) -> bool, text: impl Fn(&mut T) -> &mut String, action: &Action) {
    items.retain_mut(|item| {
        if !matches(item) {
            return true;
        }
        let text = text(item);
        match action.of(text) {
            Some(put) => {
                *text = put;
                true
            }
            None => false,
        }
    });
}

#[cfg(test)]
mod tests;
