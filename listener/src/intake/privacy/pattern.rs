//! Patterns of rules that must match a whole text: rebuilt from what was typed, so that nothing slips by.
//!
//! As a regular expression means it, `session-.*` ends at a newline, `a|ab` finds the `a` of `ab`, and `^` and `$` forbid
//! what a key has around it. Here a pattern is about all of a text: `.` is any character, anchors are left out, and every
//! alternative is tried against the whole. Lower and upper case differ, unless the pattern begins with `(?i)`.
use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Look};
use std::borrow::Cow;

/// Room for a compiled pattern. What was typed was compiled within less.
const SIZE_BYTES_MAX: usize = 64 << 20;

/// A pattern for a text as a whole. One that cannot be made matches everything: rather too much than too little.
#[derive(Debug)]
pub(super) struct Whole(Option<Regex>);

impl Whole {
    pub fn new(typed: &Regex) -> Whole {
        Whole::between(r"\A", typed, r"\z")
    }

    fn between(before: &str, typed: &Regex, after: &str) -> Whole {
        let made = unanchored(typed.as_str()).and_then(|inner| {
            let all = format!("{before}(?:{inner}){after}");
            RegexBuilder::new(&all).size_limit(SIZE_BYTES_MAX).build().map_err(|error| error.to_string())
        });
        let made =
            made.inspect_err(|error| tracing::error!("privacy: `{typed}` is taken to match everything: {error}"));
        Whole(made.ok())
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// A pattern for the key of a field, and for every other key that the same field may have.
///
/// For `email` these are `email#2`, which a second `email` is called; `email[0]`, `email.addr` and whatever else is inside
/// of it; `tag.email`, the tag of an event or a service check; `fields.email`, where `fields` are a list or stand
/// twice. For `headers.cookie` also `headers[0].cookie`: a list of such objects. White space around a key, and control
/// characters in it, make no difference.
#[derive(Debug)]
pub(super) struct Key(Whole);

impl Key {
    pub fn new(typed: &Regex) -> Key {
        Key(Whole::between(r"\A(?:(?:fields|tag)\.)*", typed, r"(?:#[0-9]+)*(?s:[.\[].*)?\z"))
    }

    pub fn matches(&self, key: &str) -> bool {
        let plain = match key.trim().contains(char::is_control) || key.trim().len() < key.len() {
            true => Cow::Owned(key.trim().chars().filter(|c| !c.is_control()).collect::<String>()),
            false => Cow::Borrowed(key),
        };
        self.0.matches(&plain) || (plain.contains('[') && self.0.matches(&without_indices(&plain)))
    }

    /// A tag of a value, which the rules know with and without `tag.`.
    pub fn matches_tag(&self, key: &str) -> bool {
        self.matches(key) || self.matches(&format!("tag.{key}"))
    }
}

/// `a[0].b` as `a.b`.
fn without_indices(key: &str) -> String {
    let mut rest = key;
    let mut plain = String::with_capacity(key.len());
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        let digits = after.trim_start_matches(|c: char| c.is_ascii_digit());
        match digits.strip_prefix(']') {
            Some(behind) if digits.len() < after.len() => rest = behind,
            _ => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The pattern without anchors, with `.` for any character.
fn unanchored(typed: &str) -> Result<String, String> {
    let parsed =
        ParserBuilder::new().dot_matches_new_line(true).build().parse(typed).map_err(|error| error.to_string())?;
    Ok(free(parsed).to_string())
}

fn free(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Look(Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF) => {
            Hir::empty()
        }
        HirKind::Look(look) => Hir::look(look),
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Repetition(repetition) => {
            let inner = free((*repetition.sub).clone());
            Hir::repetition(repetition.with(inner))
        }
        HirKind::Capture(Capture { sub, .. }) => free(*sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(free).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(free).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Regex {
        Regex::new(text).unwrap()
    }

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Whole::new(&regex(pattern)).matches(text), expected, "{pattern:?} {text:?}");
    }

    #[test]
    fn a_pattern_is_about_the_whole_text() {
        for (pattern, text) in [
            ("session-.*", "session-1\nsecret"),
            ("session-.*", "session-1\r\nsecret\u{2028}"),
            (r"\A(?:session-.*)\z", "session-1\nsecret"),
            ("a|ab", "ab"),
            ("^a$|^ab$", "ab"),
            ("(?m)^a$", "a"),
            ("(?i)SECRET", "sEcReT"),
            (r"\w+", "sécret"),
            ("[^x]{3}", "a\nb"),
            (r"(?P<n>a)(b)?", "ab"),
            ("a{2,}?", "aaa"),
            ("", ""),
        ] {
            check(pattern, text, true);
        }
        for (pattern, text) in
            [("a|ab", "abc"), ("session-.*", "a session-1"), ("secret", "SECRET"), ("(?-s)a.b", "a\nb"), ("a", "a\n")]
        {
            check(pattern, text, false);
        }
    }

    #[test]
    fn indices_are_left_out() {
        for (key, plain) in
            [("a[0].b[12][3]", "a.b"), ("a[].b", "a[].b"), ("a[x]", "a[x]"), ("[0", "[0"), ("a[1]#2", "a#2")]
        {
            assert_eq!(without_indices(key), plain);
        }
    }

    #[test]
    fn what_cannot_be_made_matches_everything() {
        assert!(Whole(None).matches("anything"));
    }
}
