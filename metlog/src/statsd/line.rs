//! A statsd line on the stack, in cadence's terms a `Metric`. Nothing in a name or a member can end its line or
//! its section.
use crate::text::InlineText;
use cadence::Metric;
use std::fmt::{self, Display, Write};

/// Longer lines than this allocate.
const LINE_BYTES_INLINE: usize = 256;

/// One line, or several that belong together.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: InlineText<LINE_BYTES_INLINE>,
}

impl Metric for Line {
    fn as_metric_str(&self) -> &str {
        self.text.as_str()
    }
}

impl Line {
    /// `<prefix><name>:<value>|<kind>`, and `|@<rate>` below 1. `prefix` is empty or ends in a dot.
    pub fn add(&mut self, prefix: &str, name: &str, value: &dyn Display, kind: &str, rate: f64) {
        self.add_name(prefix, name);
        self.write(format_args!("{value}"));
        self.text.push_str("|");
        self.text.push_str(kind);
        if rate < 1.0 {
            self.write(format_args!("|@{rate}"));
        }
    }

    /// `<prefix><name>:<member>|s`.
    pub fn add_member(&mut self, prefix: &str, name: &str, member: &dyn Display) {
        self.add_name(prefix, name);
        // The error of a `Display` that fails leaves a member cut off, not a line.
        let _ = write!(Clean(&mut self.text), "{member}");
        self.text.push_str("|s");
    }

    fn add_name(&mut self, prefix: &str, name: &str) {
        if !self.text.as_str().is_empty() {
            self.text.push_str("\n");
        }
        self.text.push_str(prefix);
        let mut parts = name.split("::");
        if let Some(first) = parts.next() {
            push_clean(&mut self.text, first);
        }
        for part in parts {
            self.text.push_str(".");
            push_clean(&mut self.text, part);
        }
        self.text.push_str(":");
    }

    fn write(&mut self, arguments: fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(arguments); // numbers only: cannot fail
    }
}

/// What would end a name, a value or a line becomes `_`; in a name `::` becomes a dot before.
fn push_clean<const N: usize>(text: &mut InlineText<N>, part: &str) {
    let is_special = |c: char| matches!(c, ':' | '|' | '@' | '#') || c.is_ascii_control();
    let mut pieces = part.split(is_special);
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        text.push_str("_");
        text.push_str(piece);
    }
}

/// Cleans what a `Display` writes, piece by piece.
struct Clean<'a, const N: usize>(&'a mut InlineText<N>);

impl<const N: usize> Write for Clean<'_, N> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        push_clean(self.0, piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &dyn Display, rate: f64, expected: &str) {
        let mut line = Line::default();
        line.add("app.", name, value, "c", rate);
        assert_eq!(line.as_metric_str(), expected);
    }

    #[test]
    fn lines() {
        check("logins", &1, 1.0, "app.logins:1|c");
        check("logins", &-2.5, 0.1, "app.logins:-2.5|c|@0.1");
        check("web::login", &1, 1.0, "app.web.login:1|c");
        check("a:b|c@d#e\nf", &1, 1.0, "app.a_b_c_d_e_f:1|c");
        check("größe", &1, 7.0, "app.größe:1|c");
        check(&"n".repeat(300), &1, 1.0, &format!("app.{}:1|c", "n".repeat(300)));
    }

    #[test]
    fn members_and_several_lines() {
        let mut line = Line::default();
        line.add_member("", "users", &"a|b:c\n");
        line.add("", "x", &1, "g", 1.0);
        assert_eq!(line.as_metric_str(), "users:a_b_c_|s\nx:1|g");
    }
}
