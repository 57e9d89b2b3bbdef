//! The canonical identity of a series: one name and sorted tags, however they were spelt.
use super::Reason;
use std::collections::HashSet;

/// Value of a tag that has none: carbon refuses an empty one.
const PRESENT: &str = "true";

/// Name and tags of a raw series (see [`super::Sample`]).
///
/// * The name is sanitised as etsy's server does it, see [`sanitise`].
/// * Tags come from the name (`;a=b;c=d` Graphite, `,a=b,c=d` InfluxDB, `#a=b,c=d` librato; after `,` and `#`
///   only where each of them has a `=`) and from `tags` (see [`tag_list`]). They are sorted by key and value; the same
///   tag twice is one. Of several values of one key all are kept, as a message keeps its fields: the first has the key,
///   the others have `key#2`, `key#3` and so on. So the order in which tags were written makes no difference.
/// * Its text is kept but for what carbon cannot take: white
///   space becomes `_`, control characters vanish, `;` `!` `^` `=` in a key and `;` or a leading `~` in a
///   value become `_`. A tag whose key is empty is left out.
///
/// # Errors
/// [`Reason::NotUtf8`]; [`Reason::NoName`] where sanitising leaves nothing of the name.
pub fn canonical(name: &[u8], tags: &[u8]) -> Result<(String, Vec<(String, String)>), Reason> {
    let (name, tags) = parts(name, tags)?;
    let name = sanitise(name);
    if name.is_empty() {
        return Err(Reason::NoName);
    }
    Ok((name, numbered(tags.filter_map(|(key, value)| tag(key, value)).collect())))
}

/// The name without tags, and the tags, as they came.
pub(super) fn parts<'a>(
    name: &'a [u8],
    tags: &'a [u8],
) -> Result<(&'a str, impl Iterator<Item = (&'a str, &'a str)>), Reason> {
    let name = std::str::from_utf8(name).map_err(|_| Reason::NotUtf8)?;
    let tags = std::str::from_utf8(tags).map_err(|_| Reason::NotUtf8)?;
    let (name, divider, in_name) = split_name(name);
    let in_name = in_name.split(divider).map(|tag| tag.split_once('=').unwrap_or((tag, "")));
    Ok((name, in_name.chain(tag_list(tags))))
}

/// The tags of `a:b,c=d,e` as DogStatsD has them in values, events and service checks: keys and values without the white
/// space around them. A tag without a value has the value `true`; one whose key is empty is left out.
pub(super) fn tag_list(tags: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = tags.split(',').map(|tag| tag.split_once([':', '=']).unwrap_or((tag, "")));
    let trimmed = parts.map(|(key, value)| (key.trim(), Some(value.trim()).filter(|value| !value.is_empty())));
    trimmed.map(|(key, value)| (key, value.unwrap_or(PRESENT))).filter(|(key, _)| !key.is_empty())
}

/// Sorted, each key once: further values of a key get it with a number.
fn numbered(mut tags: Vec<(String, String)>) -> Vec<(String, String)> {
    tags.sort_unstable();
    tags.dedup();
    let repeats = |pair: &[(String, String)]| pair[0].0 == pair[1].0;
    if !tags.windows(2).any(repeats) {
        return tags;
    }
    let mut keys: HashSet<String> = tags.iter().map(|(key, _)| key.clone()).collect();
    let mut numbered: Vec<(String, String)> = Vec::with_capacity(tags.len());
    let (mut first, mut number) = (String::new(), 2u64);
    for (key, value) in tags {
        if numbered.is_empty() || key != first {
            (first, number) = (key.clone(), 2);
            numbered.push((key, value));
            continue;
        }
        let free = loop {
            let free = format!("{key}#{number}");
            number += 1;
            if keys.insert(free.clone()) {
                break free;
            }
        };
        numbered.push((free, value));
    }
    numbered.sort_unstable();
    numbered
}

/// The name without its tags, what divides them, and the tags.
fn split_name(name: &str) -> (&str, char, &str) {
    let Some(at) = name.find([';', ',', '#']) else {
        return (name, ';', "");
    };
    let (name_only, tags) = (&name[..at], &name[at + 1..]);
    if name[at..].starts_with(';') {
        return (name_only, ';', tags);
    }
    let is_tag = |tag: &str| tag.is_empty() || tag.split_once('=').is_some_and(|(key, _)| !key.contains(';'));
    if tags.split(',').all(is_tag) {
        return (name_only, ',', tags);
    }
    // No tags: characters that sanitising takes away. Graphite's may still follow.
    match name.split_once(';') {
        Some((name_only, tags)) => (name_only, ';', tags),
        None => (name, ';', ""),
    }
}

/// As etsy's server makes a key: white space becomes `_`, `/` becomes `-`, and what is then none of
/// `a-z A-Z 0-9 _ - . ; =` is left out.
pub fn sanitise(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut after_space = false;
    for c in text.chars() {
        let space = is_space(c);
        match c {
            _ if space && after_space => (),
            _ if space => clean.push('_'),
            '/' => clean.push('-'),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | ';' | '=' => clean.push(c),
            _ => (),
        }
        after_space = space;
    }
    clean
}

/// `\s` of a regular expression in JavaScript.
fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

fn tag(key: &str, value: &str) -> Option<(String, String)> {
    let key = carbon_safe(key.trim(), |c| matches!(c, ';' | '!' | '^' | '='));
    let mut value = carbon_safe(value.trim(), |c| c == ';');
    if value.starts_with('~') {
        value.replace_range(..1, "_");
    }
    if value.is_empty() {
        value.push_str(PRESENT);
    }
    (!key.is_empty()).then_some((key, value))
}

fn carbon_safe(text: &str, refused: impl Fn(char) -> bool) -> String {
    let safe = |c: char| if refused(c) || c.is_whitespace() || c == '\u{feff}' { '_' } else { c };
    text.chars().filter(|c| c.is_whitespace() || !c.is_control()).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, tags: &str, expected: Result<&str, Reason>) {
        let found = canonical(name.as_bytes(), tags.as_bytes());
        let found =
            found.map(|(name, tags)| tags.iter().fold(name, |all, (key, value)| format!("{all};{key}={value}")));
        assert_eq!(found, expected.map(str::to_owned), "{name:?} {tags:?}");
    }

    /// Scenario: names and tags in each spelling, clean and not.
    /// Guarantees: one series has one identity, and carbon takes it.
    #[test]
    fn four_spellings_one_series() {
        for (name, tags) in [
            ("api.hits;zone=b;host=a", ""),
            ("api.hits,zone=b,host=a", ""),
            ("api.hits#zone=b,host=a", ""),
            ("api.hits", "zone:b,host:a"),
            ("api.hits", "host=a,zone=b"),
            ("api.hits;host=a;zone=b", "host:a"),
            ("api.hits;zone=b", "host:a,zone:b,zone:b"),
        ] {
            check(name, tags, Ok("api.hits;host=a;zone=b"));
        }
    }

    #[test]
    fn every_value_of_a_repeated_tag_is_kept() {
        for (name, tags) in [
            ("hits", "team:a,team:b,z:1"),
            ("hits", "team:b,z:1,team:a,team:b"),
            ("hits;team=b;z=1", "team:a"),
            ("hits,team=b,team=a", "z:1"),
            ("hits#team=b,team=a,z=1", ""),
            ("hits;team=a;team#2=b;z=1", ""),
        ] {
            check(name, tags, Ok("hits;team=a;team#2=b;z=1"));
        }
        check("hits", "k:b,k:a,k#2:c,k:d", Ok("hits;k=a;k#2=c;k#3=b;k#4=d"));
        check("hits", "k,k:x", Ok("hits;k=true;k#2=x"));
        let many: String = (0..20_000).map(|n| format!("k:{n},")).collect();
        assert_eq!(canonical(b"hits", many.as_bytes()).unwrap().1.len(), 20_000);
    }

    #[test]
    fn names_are_those_of_etsy() {
        check("a  b\t c/d", "", Ok("a_b_c-d"));
        check("a\u{a0}b", "", Ok("a_b"));
        check("wörld!", "", Ok("wrld"));
        check("a,b#c", "", Ok("abc"));
        check("a,b;c=d", "", Ok("ab;c=d"));
        check("a#b=c", "", Ok("a;b=c"));
        check("é", "", Err(Reason::NoName));
        check(";a=b", "", Err(Reason::NoName));
        assert_eq!(canonical(b"a\xff", b""), Err(Reason::NotUtf8));
        assert_eq!(canonical(b"a", b"b:\xff"), Err(Reason::NotUtf8));
    }

    #[test]
    fn tags_are_kept_as_far_as_carbon_takes_them() {
        check("a", "url:http://x/y?z=1", Ok("a;url=http://x/y?z=1"));
        check("a", "plain, spaced :  in here ,,:nokey", Ok("a;plain=true;spaced=in_here"));
        check("a", "k!^:~v;w", Ok("a;k__=_v_w"));
        check("a", "k=x:y", Ok("a;k=x:y"));
        check("a", "k:~v", Ok("a;k=_v"));
        check("a;b", "", Ok("a;b=true"));
        check("a", "stadt:Zürich", Ok("a;stadt=Zürich"));
    }
}
