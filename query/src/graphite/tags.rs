//! Series by their tags: `seriesByTag('name=a.b','env!=test')`, and what may be typed next.
//!
//! `name` is a tag: the path without its tags. A condition that the empty text fulfils is fulfilled by series without
//! the tag, and at least one condition must need a value.
use super::functions::compile;
use super::target::{self, Expression};
use super::tree::{Leaf, Tree};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Conditions on tags.
#[derive(Debug)]
pub struct Tagged {
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    tag: String,
    is_negated: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equal(String),
    Matches(Regex),
}

impl Condition {
    fn parse(text: &str) -> Result<Condition, String> {
        let invalid =
            || format!("`{text}` is no condition on a tag; write tag=value, tag!=value, tag=~regex or tag!=~regex");
        let at = text.find(['!', '=']).filter(|at| *at > 0).ok_or_else(invalid)?;
        let (tag, rest) = text.split_at(at);
        if tag.contains(';') || rest.contains(';') {
            return Err(invalid());
        }
        let (is_negated, rest) = match rest.strip_prefix("!=") {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix('=').ok_or_else(invalid)?),
        };
        let test = match rest.strip_prefix('~') {
            Some(regex) => Test::Matches(compile(&format!("^(?:{regex})"))?),
            None => Test::Equal(rest.to_owned()),
        };
        Ok(Condition { tag: tag.to_owned(), is_negated, test })
    }

    fn holds(&self, value: &str) -> bool {
        let is_so = match &self.test {
            Test::Equal(expected) => expected == value,
            Test::Matches(regex) => regex.is_match(value),
        };
        is_so != self.is_negated
    }
}

impl Tagged {
    /// Of some conditions.
    ///
    /// # Errors
    /// Where one is none, or all of them are fulfilled by series without tags.
    pub fn new<'t>(conditions: impl IntoIterator<Item = &'t str>) -> Result<Tagged, String> {
        let conditions: Result<Vec<Condition>, String> = conditions.into_iter().map(Condition::parse).collect();
        let conditions = conditions?;
        if conditions.iter().all(|condition| condition.holds("")) {
            return Err("at least one condition must need a value".to_owned());
        }
        Ok(Tagged { conditions })
    }

    /// Of a call of `seriesByTag`, as it was written.
    ///
    /// # Errors
    /// As [`Tagged::new`].
    pub fn of_call(text: &str) -> Result<Tagged, String> {
        let Ok(Expression::Call(call)) = target::parse(text) else { return Err("no call of seriesByTag".to_owned()) };
        let texts: Option<Vec<&str>> = call
            .arguments
            .iter()
            .map(|argument| if let Expression::Text(text) = argument { Some(text.as_str()) } else { None })
            .collect();
        let texts = texts.ok_or("seriesByTag: conditions are texts such as 'env=prod'")?;
        Tagged::new(texts).map_err(|why| format!("seriesByTag: {why}"))
    }

    /// The leaves that fulfil all of it.
    ///
    /// # Errors
    /// Never so far.
    pub fn find(&self, tree: &Tree) -> Result<Vec<Leaf>, String> {
        let (of_name, of_tags): (Vec<&Condition>, Vec<&Condition>) =
            self.conditions.iter().partition(|condition| condition.tag == "name");
        let series = tree.series().filter(|series| {
            let tags = pairs(&series.tags);
            of_tags.iter().all(|condition| condition.holds(tags.get(condition.tag.as_str()).copied().unwrap_or("")))
        });
        let leaves = series.flat_map(|series| tree.leaves_of(series));
        let is_named = |leaf: &Leaf| of_name.iter().all(|condition| condition.holds(name_of(&leaf.path)));
        Ok(leaves.filter(is_named).collect())
    }

    /// True if a condition is on that tag.
    pub fn names(&self, tag: &str) -> bool {
        self.conditions.iter().any(|condition| condition.tag == tag)
    }
}

/// A path without its tags.
pub fn name_of(path: &str) -> &str {
    path.split(';').next().unwrap_or_default().trim_start_matches('~')
}

/// Tags of `;key=value…`.
pub fn pairs(tags: &str) -> BTreeMap<&str, &str> {
    tags.split(';').filter_map(|tag| tag.split_once('=')).collect()
}

/// Values of each tag, and how many paths have them; `name` is one.
pub fn values(tree: &Tree, tag: &str) -> BTreeMap<String, usize> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for series in tree.series() {
        let tags = pairs(&series.tags);
        if tag != "name" && !tags.contains_key(tag) {
            continue;
        }
        for leaf in tree.leaves_of(series) {
            let value = if tag == "name" { Some(name_of(&leaf.path)) } else { tags.get(tag).copied() };
            if let Some(value) = value {
                *found.entry(value.to_owned()).or_default() += 1;
            }
        }
    }
    found
}

/// All tags.
pub fn all(tree: &Tree) -> BTreeSet<String> {
    let of_series =
        tree.series().flat_map(|series| pairs(&series.tags).into_keys().map(str::to_owned).collect::<Vec<_>>());
    of_series.chain(std::iter::once("name".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let holds = |text: &str, value: &str| Condition::parse(text).unwrap().holds(value);
        assert!(holds("a=b", "b") && !holds("a=b", "bc") && holds("a=", ""));
        assert!(holds("a!=b", "c") && holds("a!=b", "") && !holds("a!=", ""));
        assert!(holds("a=~b|c", "cx") && !holds("a=~b", "ab") && holds("a!=~b", "a"));
        assert!(Condition::parse("=b").is_err() && Condition::parse("a").is_err() && Condition::parse("a=~(").is_err());
        assert!(Tagged::new(["a!=b", "c="]).is_err() && Tagged::new(["a!=b", "c=d"]).is_ok());
        assert!(Tagged::of_call("seriesByTag(a.b)").is_err());
    }
}
