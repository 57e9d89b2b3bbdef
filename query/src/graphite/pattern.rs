//! Patterns for the nodes of a path: `*`, `?`, `[a-z]`, `[!a]` and `{a,b}`, none of which matches a dot.

/// Patterns without braces that one with braces may stand for.
const VARIANTS_MAX: usize = 1_000;

/// A pattern for one node.
#[derive(Debug, Clone)]
pub struct Pattern {
    variants: Vec<Vec<Part>>,
    /// The only text that it matches, where it is one.
    exact: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Just(char),
    Any,
    Run,
    Class(Vec<(char, char)>, bool),
}

impl Pattern {
    /// # Errors
    /// Where braces stand for too many patterns.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let texts = variants(text)?;
        let exact = match texts.as_slice() {
            [only] if !only.contains(['*', '?', '[']) => Some(only.clone()),
            _ => None,
        };
        Ok(Pattern { variants: texts.iter().map(|text| parts(text)).collect(), exact })
    }

    /// See [`Pattern::exact`].
    pub fn exact(&self) -> Option<&str> {
        self.exact.as_deref()
    }

    /// True if a node is meant.
    pub fn matches(&self, node: &str) -> bool {
        match &self.exact {
            Some(exact) => exact == node,
            None => self.variants.iter().any(|parts| is_match(parts, node)),
        }
    }
}

/// Patterns of all nodes of a path. A backslash stands in front of a character that is no symbol.
///
/// # Errors
/// As [`Pattern::new`].
pub fn nodes(path: &str) -> Result<Vec<Pattern>, String> {
    path.replace('\\', "").split('.').map(Pattern::new).collect()
}

/// What braces stand for, the innermost first.
fn variants(text: &str) -> Result<Vec<String>, String> {
    let mut open: Vec<String> = vec![text.to_owned()];
    let mut done: Vec<String> = Vec::new();
    while let Some(text) = open.pop() {
        let braces = text.find('}').and_then(|close| Some((text[..close].rfind('{')?, close)));
        let Some((begin, end)) = braces else {
            if !done.contains(&text) {
                done.push(text);
            }
            continue;
        };
        let made = text[begin + 1..end].split(',').map(|part| [&text[..begin], part, &text[end + 1..]].concat());
        open.extend(made);
        if open.len() + done.len() > VARIANTS_MAX {
            return Err(format!("the braces stand for more than {VARIANTS_MAX} patterns"));
        }
    }
    Ok(done)
}

fn parts(text: &str) -> Vec<Part> {
    let (mut parts, characters) = (Vec::new(), text.chars().collect::<Vec<_>>());
    let mut at = 0;
    while at < characters.len() {
        let part = match characters[at] {
            '*' => Part::Run,
            '?' => Part::Any,
            '[' => match class(&characters[at + 1..]) {
                Some((class, length)) => {
                    at += length;
                    class
                }
                None => Part::Just('['),
            },
            character => Part::Just(character),
        };
        if !(part == Part::Run && parts.last() == Some(&Part::Run)) {
            parts.push(part);
        }
        at += 1;
    }
    parts
}

/// What stands behind `[`, and how long it is with its `]`.
fn class(characters: &[char]) -> Option<(Part, usize)> {
    let is_not = matches!(characters.first(), Some('!'));
    let begin = usize::from(is_not);
    // A bracket that comes first is a member.
    let end = characters.iter().skip(begin + 1).position(|c| *c == ']')? + begin + 1;
    let (members, mut ranges, mut at) = (&characters[begin..end], Vec::new(), 0);
    while at < members.len() {
        match members.get(at + 1..at + 3) {
            Some(['-', last]) => {
                ranges.push((members[at], *last));
                at += 3;
            }
            _ => {
                ranges.push((members[at], members[at]));
                at += 1;
            }
        }
    }
    Some((Part::Class(ranges, is_not), end + 1))
}

/// In time of the product of both lengths, whatever the pattern.
fn is_match(parts: &[Part], node: &str) -> bool {
    let characters: Vec<char> = node.chars().collect();
    let (mut part, mut at) = (0, 0);
    let mut last_run: Option<(usize, usize)> = None;
    while at < characters.len() {
        let is_here = match parts.get(part) {
            Some(Part::Run) => {
                last_run = Some((part, at));
                part += 1;
                continue;
            }
            Some(Part::Any) => true,
            Some(Part::Just(character)) => *character == characters[at],
            Some(Part::Class(ranges, is_not)) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&characters[at])) != *is_not
            }
            None => false,
        };
        if is_here {
            (part, at) = (part + 1, at + 1);
        } else if let Some((run, from)) = last_run {
            last_run = Some((run, from + 1));
            (part, at) = (run + 1, from + 1);
        } else {
            return false;
        }
    }
    parts[part..].iter().all(|part| *part == Part::Run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_match_within_a_node() {
        for (pattern, matching, others) in [
            ("abc", &["abc"][..], &["ab", "abcd", ""][..]),
            ("*", &["", "a", "abc"], &[]),
            ("a*c", &["ac", "abc", "abcc"], &["a", "acb"]),
            ("a?c", &["abc"], &["ac", "abbc"]),
            ("a[b-d]e", &["abe", "ade"], &["aee", "a-e"]),
            ("a[!b]", &["ac"], &["ab", "a"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a", &["[a"], &["a"]),
            ("x{a,b{c,d}}", &["xa", "xbc", "xbd"], &["xb", "x"]),
            ("{a,b}*", &["a", "bcd"], &["c"]),
            ("*a*a*a*b", &["aaab", "xaxaxab"], &["aaa"]),
        ] {
            let pattern_of = Pattern::new(pattern).unwrap();
            assert!(matching.iter().all(|node| pattern_of.matches(node)), "{pattern}");
            assert!(!others.iter().any(|node| pattern_of.matches(node)), "{pattern}");
        }
        assert_eq!(Pattern::new("a").unwrap().exact(), Some("a"));
        assert_eq!(Pattern::new("{a,b}").unwrap().exact(), None);
        assert_eq!(nodes("a.b\\*").unwrap().len(), 2);
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = Pattern::new(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a".repeat(10_000).replace("aaaa", "aaab").replace('a', "b")));
        assert!(Pattern::new(&"{a,b}".repeat(30)).is_err());
    }
}
