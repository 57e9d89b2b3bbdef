//! What a target says: paths, calls, pipes, numbers and text. Parsed by hand, within a bounded depth.
use std::fmt;

/// Longest target, in bytes.
pub const TARGET_BYTES_MAX: usize = 64 * 1024;
/// Calls within calls.
const DEPTH_MAX: usize = 64;

/// A target, or an argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// `stats.counters.*.count`
    Path(String),
    /// `sumSeries(a, b)`. `a | sumSeries(b)` is the same.
    Call(Call),
    /// `template(expression, name=value)`
    Template(Box<Expression>, Vec<(String, Expression)>),
    /// `10`
    Integer(i64),
    /// `1.5`, `1e3`, `inf`
    Float(f64),
    /// Text in quotes, as it stands there.
    Text(String),
    /// `true`
    Boolean(bool),
    /// `none`
    None,
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name.
    pub function: String,
    /// Arguments by their place.
    pub arguments: Vec<Expression>,
    /// Arguments by their name.
    pub named: Vec<(String, Expression)>,
    /// As it was written, without what is piped into it.
    pub raw: String,
}

/// Why a target cannot be read, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Byte of the target.
    pub at: usize,
    /// What would have been right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.message, self.at + 1)
    }
}

/// Reads a target.
///
/// # Errors
/// [`Mistake`].
pub fn parse(text: &str) -> Result<Expression, Mistake> {
    if text.len() > TARGET_BYTES_MAX {
        return Err(Mistake { at: TARGET_BYTES_MAX, message: format!("longer than {TARGET_BYTES_MAX} bytes") });
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.piped()?;
    parser.space();
    if parser.at < text.len() { Err(parser.mistake("unexpected text")) } else { Ok(expression) }
}

/// All paths in an expression, and calls of `seriesByTag` as they were written; `templates` as in `replaced`.
pub fn paths(expression: &Expression, templates: &[(String, String)], found: &mut Vec<String>) {
    match expression {
        Expression::Path(path) => found.push(replaced(path, templates)),
        Expression::Call(call) if call.function == "seriesByTag" => found.push(call.raw.clone()),
        Expression::Call(call) => {
            let named = call.named.iter().map(|(_, argument)| argument);
            call.arguments.iter().chain(named).for_each(|argument| paths(argument, templates, found));
        }
        Expression::Template(inner, own) => paths(inner, &merged(own, templates), found),
        _ => (),
    }
}

/// A path with `$name` for each name of a template.
pub fn replaced(path: &str, templates: &[(String, String)]) -> String {
    let put_in = |path: String, (name, value): &(String, String)| path.replace(&format!("${name}"), value);
    if path.contains('$') { templates.iter().fold(path.to_owned(), put_in) } else { path.to_owned() }
}

/// A template's own values, and those of the request, which come before them.
pub fn merged(own: &[(String, Expression)], of_request: &[(String, String)]) -> Vec<(String, String)> {
    let text = |value: &Expression| match value {
        Expression::Integer(number) => number.to_string(),
        Expression::Float(number) => super::number::shortest(*number),
        Expression::Text(text) => text.clone(),
        _ => String::new(),
    };
    let is_ours = |name: &str| of_request.iter().all(|(other, _)| other != name);
    let own = own.iter().filter(|(name, _)| is_ours(name)).map(|(name, value)| (name.clone(), text(value)));
    own.chain(of_request.iter().cloned()).collect()
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn mistake(&self, message: &str) -> Mistake {
        Mistake { at: self.at, message: message.to_owned() }
    }

    fn take(&mut self, symbol: char) -> bool {
        self.space();
        let is_there = self.rest().starts_with(symbol);
        self.at += if is_there { symbol.len_utf8() } else { 0 };
        is_there
    }

    fn expect(&mut self, symbol: char) -> Result<(), Mistake> {
        if self.take(symbol) { Ok(()) } else { Err(self.mistake(&format!("`{symbol}` is required"))) }
    }

    /// Letters, digits and `_`, not beginning with a digit; not taken.
    fn word(&self) -> Option<&'t str> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        Some(&rest[..end]).filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
    }

    /// An expression and the calls that it is piped into.
    fn piped(&mut self) -> Result<Expression, Mistake> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.mistake(&format!("calls are nested more than {DEPTH_MAX} deep")));
        }
        let mut expression = self.single()?;
        while self.take('|') {
            self.space();
            match self.call()? {
                Some(Expression::Call(mut call)) => {
                    call.arguments.insert(0, expression);
                    expression = Expression::Call(call);
                }
                _ => return Err(self.mistake("a call is required behind `|`")),
            }
        }
        self.depth -= 1;
        Ok(expression)
    }

    fn single(&mut self) -> Result<Expression, Mistake> {
        self.space();
        match self.call()? {
            Some(call) => Ok(call),
            None => self.path(),
        }
    }

    fn call(&mut self) -> Result<Option<Expression>, Mistake> {
        let begin = self.at;
        let Some(function) = self.word() else { return Ok(None) };
        self.at += function.len();
        if !self.take('(') {
            self.at = begin;
            return Ok(None);
        }
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        if !self.take(')') {
            loop {
                match self.name_of_argument() {
                    Some(name) => named.push((name, self.argument()?)),
                    None if named.is_empty() => arguments.push(self.argument()?),
                    None => return Err(self.mistake("an argument with a name is required behind another one")),
                }
                if !self.take(',') {
                    break;
                }
            }
            self.expect(')')?;
        }
        let raw = self.text[begin..self.at].to_owned();
        if function == "template" && !arguments.is_empty() {
            let inner = arguments.remove(0);
            let by_place = arguments.into_iter().enumerate().map(|(nth, value)| ((nth + 1).to_string(), value));
            return Ok(Some(Expression::Template(Box::new(inner), by_place.chain(named).collect())));
        }
        Ok(Some(Expression::Call(Call { function: function.to_owned(), arguments, named, raw })))
    }

    /// `name =`, taken.
    fn name_of_argument(&mut self) -> Option<String> {
        self.space();
        let begin = self.at;
        let name = self.word()?;
        self.at += name.len();
        if self.take('=') {
            return Some(name.to_owned());
        }
        self.at = begin;
        None
    }

    fn argument(&mut self) -> Result<Expression, Mistake> {
        self.space();
        if let Some(quote @ ('"' | '\'')) = self.rest().chars().next() {
            return self.quoted(quote);
        }
        let end = self.rest().find([',', ')', '|']).unwrap_or(self.rest().len());
        let literal = match self.rest()[..end].trim_end() {
            word if word.eq_ignore_ascii_case("true") => Some(Expression::Boolean(true)),
            word if word.eq_ignore_ascii_case("false") => Some(Expression::Boolean(false)),
            word if word.eq_ignore_ascii_case("none") => Some(Expression::None),
            word if word.eq_ignore_ascii_case("inf") => Some(Expression::Float(f64::INFINITY)),
            word => number(word),
        };
        match literal {
            Some(literal) => {
                self.at += end;
                Ok(literal)
            }
            None => self.piped(),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Expression, Mistake> {
        let begin = self.at + 1;
        let mut is_escaped = false;
        for (at, character) in self.text[begin..].char_indices() {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if character == quote => {
                    self.at = begin + at + 1;
                    return Ok(Expression::Text(self.text[begin..begin + at].to_owned()));
                }
                _ => (),
            }
        }
        Err(self.mistake("a closing quote is required"))
    }

    fn path(&mut self) -> Result<Expression, Mistake> {
        let (begin, mut path, mut in_braces) = (self.at, String::new(), false);
        let mut characters = self.rest().char_indices().peekable();
        let mut end = self.text.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) => path.extend(['\\', escaped]),
                    None => return Err(self.mistake("a character is required behind `\\`")),
                },
                '{' if !in_braces => in_braces = true,
                '}' if in_braces => in_braces = false,
                ',' | ' ' if in_braces => (),
                ',' | '(' | ')' | '{' | '}' | '\'' | '"' | '|' => {
                    end = begin + at;
                    break;
                }
                _ if character.is_whitespace() || character.is_control() => {
                    end = begin + at;
                    break;
                }
                _ => (),
            }
            if character != '\\' && !(in_braces && character == ' ') {
                path.push(character);
            }
        }
        if in_braces {
            return Err(self.mistake("`}` is required"));
        }
        if path.is_empty() {
            return Err(self.mistake("a path or a call is required"));
        }
        self.at = end;
        Ok(Expression::Path(path))
    }
}

/// `-12`, `1.5` or `1e3`, and nothing else.
fn number(word: &str) -> Option<Expression> {
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_whole = |text: &str| is_digits(text.strip_prefix('-').unwrap_or(text));
    let is_number = match mantissa.split_once('.') {
        Some((whole, fraction)) => is_whole(whole) && is_digits(fraction),
        None => is_whole(mantissa),
    };
    if !is_number || !exponent.is_none_or(is_whole) {
        return None;
    }
    match word.parse::<i64>() {
        Ok(integer) => Some(Expression::Integer(integer)),
        Err(_) => word.parse().ok().map(Expression::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        match parse(text).unwrap() {
            Expression::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_are_of_every_kind() {
        let call = call("f(a.*.{b,c}[0-9], 10, -1.5, 2e3, 'it\\'s', \"b\", true, None, inf, g(x), n=1, t='u')");
        assert_eq!(call.arguments.len(), 10);
        assert_eq!(call.arguments[0], Expression::Path("a.*.{b,c}[0-9]".into()));
        assert_eq!(call.arguments[1..4], [Expression::Integer(10), Expression::Float(-1.5), Expression::Float(2e3)]);
        assert_eq!(call.arguments[4], Expression::Text("it\\'s".into()));
        assert_eq!(
            call.arguments[6..9],
            [Expression::Boolean(true), Expression::None, Expression::Float(f64::INFINITY)]
        );
        assert_eq!(call.named[1], ("t".into(), Expression::Text("u".into())));
    }

    #[test]
    fn a_pipe_is_a_call() {
        let mut nested = call("g(f(a, 1), 2)");
        let piped = call("a | f(1)|g(2)");
        nested.raw.clone_from(&piped.raw);
        assert_eq!((nested.function, nested.arguments.len()), (piped.function.clone(), piped.arguments.len()));
        assert!(matches!(&piped.arguments[0], Expression::Call(inner) if inner.function == "f" && inner.raw == "f(1)"));
    }

    #[test]
    fn paths_may_look_like_numbers_and_have_tags() {
        assert_eq!(parse("1.2.3").unwrap(), Expression::Path("1.2.3".into()));
        assert_eq!(parse("a.b;k=v;x=y").unwrap(), Expression::Path("a.b;k=v;x=y".into()));
        assert_eq!(call("f(12.a)").arguments, [Expression::Path("12.a".into())]);
        assert_eq!(call("f(true.x)").arguments, [Expression::Path("true.x".into())]);
    }

    #[test]
    fn templates_are_filled_in() {
        let mut found = Vec::new();
        paths(&parse("template(f($a.$b, s), a='x', b=2)").unwrap(), &[("b".into(), "of request".into())], &mut found);
        assert_eq!(found, ["x.of request", "s"]);
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at) in [("", 0), ("f(a", 3), ("f(a) b", 5), ("f('a)", 2), ("a | b", 4), ("f(a=1, b)", 7), ("{a", 0)]
        {
            assert_eq!(parse(text).unwrap_err().at, at, "{text}");
        }
        let deep = "f(".repeat(100_000);
        assert!(parse(&deep).is_err());
        let deep = ["f(".repeat(100), "a".into(), ")".repeat(100)].concat();
        assert!(parse(&deep).unwrap_err().message.contains("nested"));
        assert!(parse(&["f(".repeat(50), "a".into(), ")".repeat(50)].concat()).is_ok());
    }
}
