//! JSON that is kept as text inside a message, written again without what rules of privacy take out.
//!
//! Texts are what is nested too deep or too long to become fields (see the parent module), payloads and tokens that are
//! objects or arrays, and any text of a sender that is JSON by itself. What is written again is compact, and no character
//! that can stand for itself is escaped.
use jiter::{Jiter, JiterError, Peek};
use serde_json::Value;

/// Levels that are looked through.
pub const NESTED_DEPTH_MAX: usize = 128;
/// Bytes of the path of a value: each is looked at once for each value inside.
pub const NESTED_PATH_BYTES_MAX: usize = 4_096;

/// A text that is JSON and cannot be looked through: deeper than [`NESTED_DEPTH_MAX`], or with longer paths than
/// [`NESTED_PATH_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// What is taken out of a text.
pub trait Taken {
    /// True for a value that must go. `path` begins with the key of the text, `within` is what of the path is inside
    /// it, and `name` the key of the value in its own object, empty for an item of an array.
    fn covers(&self, path: &str, within: &str, name: &str) -> bool;

    /// What stands in the place of a value, a string's own text or anything else as written; `None`: nothing.
    fn put(&self, value: &str) -> Option<String>;
}

/// A text written again.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Compact JSON.
    pub text: String,
    /// Something was taken out.
    pub is_changed: bool,
}

/// True for a text that may be JSON with something inside.
pub fn may_nest(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '['])
}

/// Writes the text of a field again; `None` if it is no JSON object or array.
///
/// # Errors
/// [`Unreadable`]
pub fn rewritten(key: &str, text: &str, taken: &dyn Taken) -> Result<Option<Rewritten>, Unreadable> {
    if !may_nest(text) {
        return Ok(None);
    }
    let jiter = Jiter::new(text.as_bytes()).with_allow_inf_nan();
    let mut writing = Writing { text, jiter, taken, out: String::new(), path: key.to_owned(), is_changed: false };
    match writing.all(key.len()) {
        Ok(()) => Ok(Some(Rewritten { text: writing.out, is_changed: writing.is_changed })),
        Err(Stop::NotJson) => Ok(None),
        Err(Stop::Unreadable) => Err(Unreadable),
    }
}

enum Stop {
    NotJson,
    Unreadable,
}

impl From<JiterError> for Stop {
    fn from(_: JiterError) -> Stop {
        Stop::NotJson
    }
}

struct Writing<'t> {
    text: &'t str,
    jiter: Jiter<'t>,
    taken: &'t dyn Taken,
    out: String,
    /// Of the value at hand.
    path: String,
    is_changed: bool,
}

/// Where the value at hand is.
#[derive(Clone, Copy)]
struct At {
    depth: usize,
    /// Bytes of the key of the whole text, in the path.
    root: usize,
    /// It is inside what is taken out: nothing needs to be looked for.
    is_taken: bool,
}

impl Writing<'_> {
    fn all(&mut self, root: usize) -> Result<(), Stop> {
        let peek = self.jiter.peek()?;
        self.value(peek, At { depth: 1, root, is_taken: false })?;
        Ok(self.jiter.finish()?)
    }

    fn value(&mut self, peek: Peek, at: At) -> Result<(), Stop> {
        if at.depth > NESTED_DEPTH_MAX || self.path.len() > NESTED_PATH_BYTES_MAX {
            return Err(Stop::Unreadable);
        }
        match peek {
            Peek::Object => self.object(at)?,
            Peek::Array => self.array(at)?,
            Peek::String => {
                let string = Value::from(self.jiter.known_str()?).to_string();
                self.out.push_str(&string);
            }
            _ => {
                let start = self.jiter.current_index();
                match peek {
                    Peek::True | Peek::False => self.jiter.known_bool(peek).map(|_| ())?,
                    Peek::Null => self.jiter.known_null()?,
                    _ => self.jiter.known_number_bytes(peek).map(|_| ())?,
                }
                self.out.push_str(self.text.get(start..self.jiter.current_index()).ok_or(Stop::NotJson)?);
            }
        }
        Ok(())
    }

    fn object(&mut self, at: At) -> Result<(), Stop> {
        let length = self.path.len();
        self.out.push('{');
        let mut key = self.jiter.known_object()?.map(str::to_owned);
        while let Some(name) = key {
            self.path.push('.');
            let name_at = self.path.len();
            self.path.push_str(&name);
            let before = format!("{}:", Value::from(name));
            self.inner(&before, name_at, at)?;
            self.path.truncate(length);
            key = self.jiter.next_key()?.map(str::to_owned);
        }
        self.out.push('}');
        Ok(())
    }

    fn array(&mut self, at: At) -> Result<(), Stop> {
        let length = self.path.len();
        self.out.push('[');
        let mut next = self.jiter.known_array()?;
        let mut index = 0usize;
        while next.is_some() {
            self.path.push_str(&format!("[{index}]"));
            self.inner("", self.path.len(), at)?;
            self.path.truncate(length);
            next = self.jiter.array_step()?;
            index += 1;
        }
        self.out.push(']');
        Ok(())
    }

    /// A member or item, with what stands before its value.
    fn inner(&mut self, before: &str, name_at: usize, at: At) -> Result<(), Stop> {
        let peek = self.jiter.peek()?;
        let (start, written) = (self.jiter.current_index(), self.out.len());
        if !self.out.ends_with(['{', '[']) {
            self.out.push(',');
        }
        self.out.push_str(before);
        let (path, within) = (self.path.as_str(), self.path[at.root..].trim_start_matches('.'));
        let is_found = !at.is_taken && self.taken.covers(path, within, &path[name_at..]);
        let value_at = self.out.len();
        self.value(peek, At { depth: at.depth + 1, is_taken: at.is_taken || is_found, ..at })?;
        if is_found {
            self.is_changed = true;
            let raw = self.text.get(start..self.jiter.current_index()).ok_or(Stop::NotJson)?;
            let string = serde_json::from_str::<String>(raw).ok().filter(|_| peek == Peek::String);
            match self.taken.put(string.as_deref().unwrap_or(raw)) {
                Some(put) => self.out.replace_range(value_at.., &Value::from(put).to_string()),
                None => self.out.truncate(written),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Secret;

    impl Taken for Secret {
        fn covers(&self, path: &str, within: &str, name: &str) -> bool {
            assert!(path.ends_with(within) && path.ends_with(name));
            name == "email" || within == "list[1]"
        }
        fn put(&self, value: &str) -> Option<String> {
            (value != "gone").then(|| format!("<{}>", value.len()))
        }
    }

    fn check(text: &str, expected: Option<&str>) {
        let found = rewritten("k", text, &Secret).unwrap();
        assert_eq!(found.map(|found| found.text).as_deref(), expected, "{text}");
    }

    #[test]
    fn what_is_covered_is_replaced_or_left_out() {
        check(r#"{"a": 1, "email": "jo", "b": [true, null, -1.5e3]}"#, Some(r#"{"a":1,"email":"<2>","b":[true,null,-1.5e3]}"#));
        check(r#"{"em\u0061il": "g\u006fne", "b": "\u0041\n\""}"#, Some(r#"{"b":"A\n\""}"#));
        check(r#"{"a": 1, "email": "gone"}"#, Some(r#"{"a":1}"#));
        check(r#"[{"x": {"email": {"of": ["jo"]}}}]"#, Some(r#"[{"x":{"email":"<14>"}}]"#));
        check(r#"{"list": [1, "gone", 3]}"#, Some(r#"{"list":[1,3]}"#));
        check("[NaN,{}, [ ]]", Some("[NaN,{},[]]"));
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        for text in ["", "email", "[info] email", r#"{"email": "jo""#, r#"{"a":1} x"#, "{'a':1}", "\"email\""] {
            check(text, None);
        }
        let same = rewritten("k", r#"{"a":[1]}"#, &Secret).unwrap().unwrap();
        assert!(!same.is_changed && same.text == r#"{"a":[1]}"#);
    }

    /// Threads of connections have 1 MiB.
    #[test]
    fn the_deepest_text_needs_little_stack() {
        let deep = format!("{}0{}", r#"{"a":"#.repeat(NESTED_DEPTH_MAX - 1), "}".repeat(NESTED_DEPTH_MAX - 1));
        let thread = std::thread::Builder::new().stack_size(512 << 10);
        let rewritten = thread.spawn(move || rewritten("k", &deep, &Secret).map(|found| found.is_some()));
        assert_eq!(rewritten.unwrap().join().unwrap(), Ok(true));
    }

    #[test]
    fn what_is_too_deep_is_told() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(rewritten("k", &deep(NESTED_DEPTH_MAX), &Secret).is_ok());
        assert_eq!(rewritten("k", &deep(NESTED_DEPTH_MAX + 1), &Secret), Err(Unreadable));
        assert_eq!(rewritten("k", &"[".repeat(1 << 20), &Secret), Err(Unreadable));
        let long = format!(r#"{{"{}":{{"a":1}}}}"#, "k".repeat(NESTED_PATH_BYTES_MAX));
        assert_eq!(rewritten("k", &long, &Secret), Err(Unreadable));
    }
}
