//! What must not reach a disk: rules that drop, hash or mask parts of a message before it is journaled.
//!
//! A rule covers every form of what it is about (`pattern` says which keys a field may have), also inside values that
//! are JSON text: where a message cannot be looked through, because it is nested too deep, it is refused as a whole. Host
//! names, loggers, types, names of metrics and members of sets are no fields: no rule changes them.
mod pattern;

use hmac::{Hmac, KeyInit, Mac};
use metlog_schemas::format::metlog_json::nested;
use metlog_schemas::format::{DROPPED, Redactor, UNREADABLE};
use metlog_schemas::wire::Message;
use pattern::{Key, Whole};
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
    /// The value of each field whose key matches as a whole, and all that is inside it; for statsd lines, of each tag.
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
    rules: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    rule: Rule,
    about: About,
}

/// The target, with patterns that nothing slips by.
#[derive(Debug)]
enum About {
    Tokens(Whole),
    Fields(Key),
    Payload(Regex),
    Message,
}

impl Rules {
    /// In this order.
    pub fn new(rules: Vec<Rule>) -> Rules {
        let ready = |rule: Rule| {
            let about = match &rule.target {
                Target::Tokens(pattern) => About::Tokens(Whole::new(pattern)),
                Target::Fields(pattern) => About::Fields(Key::new(pattern)),
                Target::Payload(pattern) => About::Payload(pattern.clone()),
                Target::Message => About::Message,
            };
            Ready { rule, about }
        };
        Rules { rules: rules.into_iter().map(ready).collect() }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Those about the tags of values: they name neither type nor logger.
    fn of_tags(&self) -> impl Iterator<Item = (&Key, &Action)> {
        self.rules.iter().filter(|ready| ready.rule.r#type.is_none() && ready.rule.logger.is_none()).filter_map(
            |ready| match &ready.about {
                About::Fields(key) => Some((key, &ready.rule.action)),
                _ => None,
            },
        )
    }
}

impl Redactor for Rules {
    fn message(&self, message: &mut Message) -> Result<(), &'static str> {
        for Ready { rule, about } in &self.rules {
            let applies = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
            if !applies(&rule.r#type, &message.r#type) || !applies(&rule.logger, &message.logger) {
                continue;
            }
            match about {
                About::Message => {
                    if matches!(rule.action, Action::Drop) {
                        return Err(DROPPED);
                    }
                }
                About::Tokens(pattern) => {
                    message.tokens.iter_mut().try_for_each(unescape)?;
                    rewrite(&mut message.tokens, |token| pattern.matches(token), |token| token, &rule.action);
                }
                About::Fields(key) => {
                    rewrite(&mut message.fields, |(name, _)| key.matches(name), |(_, value)| value, &rule.action);
                    for (name, value) in &mut message.fields {
                        let inside = Inside { key, action: &rule.action };
                        if let Some(rewritten) = nested::rewritten(name, value, &inside).map_err(|_| UNREADABLE)?
                            && rewritten.is_changed
                        {
                            *value = rewritten.text;
                        }
                    }
                }
                About::Payload(pattern) => {
                    unescape(&mut message.payload)?;
                    let put = |found: &regex::Captures<'_>| rule.action.of(&found[0]).unwrap_or_default();
                    message.payload = pattern.replace_all(&message.payload, put).into_owned();
                }
            }
        }
        Ok(())
    }

    fn tags(&self, tags: &mut Vec<(String, String)>) {
        for (key, action) in self.of_tags() {
            rewrite(tags, |(name, _)| key.matches_tag(name), |(_, value)| value, action);
        }
    }

    fn covers_tag(&self, name: &str) -> bool {
        self.of_tags().any(|(key, _)| key.matches_tag(name))
    }
}

/// A rule about fields, inside a text that is JSON.
struct Inside<'r> {
    key: &'r Key,
    action: &'r Action,
}

impl nested::Taken for Inside<'_> {
    /// The key of a value by itself counts too: in a text it is not told apart what is a field and what is inside one.
    fn covers(&self, path: &str, within: &str, name: &str) -> bool {
        self.key.matches(path) || self.key.matches(within) || (!name.is_empty() && self.key.matches(name))
    }

    fn put(&self, value: &str) -> Option<String> {
        self.action.of(value)
    }
}

/// Objects and arrays are kept as they were written: what is escaped there must not escape a rule.
fn unescape(text: &mut String) -> Result<(), &'static str> {
    struct Nothing;
    impl nested::Taken for Nothing {
        fn covers(&self, _: &str, _: &str, _: &str) -> bool {
            false
        }
        fn put(&self, _: &str) -> Option<String> {
            None
        }
    }
    if text.contains('\\')
        && let Some(rewritten) = nested::rewritten("", text, &Nothing).map_err(|_| UNREADABLE)?
    {
        *text = rewritten.text;
    }
    Ok(())
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
