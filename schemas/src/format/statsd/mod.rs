//! statsd lines, read: etsy's grammar, DogStatsD's, and what is written beyond both.
//!
//! ```text
//! line    = name ":" group *( ":" group )          several groups: etsy's `key:1|c:2|c`
//! group   = value *( ":" value ) "|" type *( "|" section )   several values: DogStatsD's packing, not for sets
//! type    = "c" counter | "g" gauge | "ms" "h" "d" timer | "s" set | anything else: a counter
//! section = "@" rate | "#" tags | anything else, ignored ("T…", "c:…", "e:…", "card:…")
//! ```
//! A `:` ends a group only inside the type or the rate, so `k:1|c:2|c` is two values and in
//! `k:1|c|c:2f4a` the last section is a container. The first `|#` gives the tags of the whole line.
//! `_e{…}` and `_sc|…` are events and service checks, see [`Annotation`].
//!
//! Differences from etsy's server, all on purpose:
//! * an empty type is rejected; etsy counts it;
//! * a rate of 0, an infinite value, a blank value, an empty name and bytes that are no UTF-8 are rejected;
//! * `@2e-1` is 0.2; etsy checks the whole and then uses 2;
//! * a section that is neither rate nor tags is ignored; etsy takes it for a bad rate. (An empty one is
//!   still a bad rate: it is most likely a line that was cut.)
//! * the tags of `|#` end at the next `|`, as DogStatsD has it.
//!
//! A gauge with a sign is added to in etsy's protocol and set in DogStatsD's; which of the two a line means is decided by
//! [`GaugeDeltas`].
//!
//! The time of a `|T…` section is not used: values belong to the window in which they were received.
mod annotation;
mod format;
mod gauge;
mod number;
mod redact;
mod series;

pub use annotation::{Annotation, Check, Event};
pub use format::{Scratch, Statsd};
pub use gauge::GaugeDeltas;
pub use series::{canonical, sanitise};

use memchr::{memchr, memchr2, memchr3};

/// What a value does to its series.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `c`: added up.
    Counter,
    /// `g`: the last one counts.
    Gauge,
    /// `ms`, `h` and `d`: statistics are made of them.
    Timer,
    /// `s`: distinct ones are counted.
    Set,
}

impl Kind {
    /// The word in the column `kind` of the table `metrics`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Timer => "timer",
            Kind::Set => "set",
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// A finite number.
    Number(f64),
    /// A gauge with a sign: to be added to what it is, unless [`GaugeDeltas`] says otherwise.
    Delta(f64),
    /// A member of a set.
    Member(&'a [u8]),
}

/// One value. `name` and `tags` are bytes as they came: the name may still hold Graphite (`;a=b`),
/// InfluxDB (`,a=b`) or librato (`#a=b`) tags, `tags` is the text after `|#` and empty where there is
/// none. Kind, name and tags are the raw identity of a series; [`canonical`] gives the real one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample<'a> {
    /// Never empty.
    pub name: &'a [u8],
    /// Not checked.
    pub tags: &'a [u8],
    /// What the value does.
    pub kind: Kind,
    /// The value.
    pub value: Value<'a>,
    /// Above 0 and finite; nearly always at most 1. Gauges and sets make no use of it.
    pub rate: f64,
    /// Its line has sections that only DogStatsD has: `|#tags`, `|T…`, `|c:…`, `|e:…`, `|card:…`.
    pub is_dogstatsd: bool,
}

/// Why a value was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Nothing before the first `:`, or nothing that may stand in a name.
    NoName,
    /// No `:`, or nothing between it and the type.
    NoValue,
    /// No type after the value.
    NoType,
    /// No finite number, or a negative `ms`.
    BadValue,
    /// Neither a number above 0 after `@`, nor any other section.
    BadRate,
    /// Begins with `_e{` and is no event.
    BadEvent,
    /// Begins with `_sc|` and is no service check.
    BadServiceCheck,
    /// A name, a tag or an event that is not UTF-8.
    NotUtf8,
}

impl Reason {
    /// The word that counts it.
    pub const fn reason(self) -> &'static str {
        match self {
            Reason::NoName => "no_name",
            Reason::NoValue => "no_value",
            Reason::NoType => "no_type",
            Reason::BadValue => "bad_value",
            Reason::BadRate => "bad_rate",
            Reason::BadEvent => "bad_event",
            Reason::BadServiceCheck => "bad_service_check",
            Reason::NotUtf8 => "not_utf8",
        }
    }
}

/// Is told what a datagram holds, in its order.
pub trait Lines {
    /// A value.
    fn sample(&mut self, sample: Sample<'_>);
    /// An event or a service check.
    fn message(&mut self, message: &Annotation<'_>);
    /// A value that was refused, once for each value; `line` is all of its line.
    fn bad(&mut self, line: &[u8], reason: Reason);
}

/// Reads the lines of a datagram, and says how many they are. Empty lines are skipped, `\r\n` ends a line as `\n`
/// does. Allocates nothing.
pub fn parse(datagram: &[u8], lines: &mut impl Lines) -> u64 {
    let mut rest = datagram;
    let mut count = 0;
    while !rest.is_empty() {
        if let Some((sample, bytes)) = plain_line(rest) {
            lines.sample(sample);
            count += 1;
            rest = &rest[bytes..];
            continue;
        }
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let text = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if !text.is_empty() {
            line(text, lines);
            count += 1;
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    count
}

/// The lines that nearly every datagram is made of: one number, a type, perhaps a rate, perhaps tags. Gives
/// the sample and the bytes up to the next line; `None` says nothing about the line.
#[inline]
fn plain_line(bytes: &[u8]) -> Option<(Sample<'_>, usize)> {
    let name_end = memchr3(b':', b'|', b'\n', bytes)?;
    if name_end == 0 || bytes[name_end] != b':' || bytes[0] == b'_' {
        return None; // `_` may begin an event
    }
    let name = &bytes[..name_end];
    let mut at = name_end + 1;
    let signed = matches!(bytes.get(at)?, b'+' | b'-');
    let (number, used) = number::plain(&bytes[at..])?;
    at += used;
    let (kind, used) = match bytes.get(at..)? {
        [b'|', b'c', ..] => (Kind::Counter, 2),
        [b'|', b'm', b's', ..] if number >= 0.0 => (Kind::Timer, 3),
        [b'|', b'g', ..] => (Kind::Gauge, 2),
        [b'|', b'h' | b'd', ..] => (Kind::Timer, 2),
        _ => return None,
    };
    at += used;
    let value = if signed && kind == Kind::Gauge { Value::Delta(number) } else { Value::Number(number) };
    let mut rate = 1.0;
    if let [b'|', b'@', digits, ..] = &bytes[at..] {
        let (number, used) = number::plain(&bytes[at + 2..])?;
        if number <= 0.0 || !digits.is_ascii_digit() {
            return None;
        }
        rate = number;
        at += 2 + used;
    }
    let mut tags: &[u8] = &[];
    let mut is_dogstatsd = false;
    if let [b'|', b'#', text @ ..] = &bytes[at..] {
        is_dogstatsd = true;
        let end = memchr2(b'|', b'\n', text).unwrap_or(text.len());
        tags = &text[..end];
        at += 2 + end;
    }
    let sample = Sample { name, tags, kind, value, rate, is_dogstatsd };
    // A `\r` before the end of the line is not part of the tags.
    if tags.last() == Some(&b'\r') {
        return None;
    }
    match bytes.get(at) {
        None => Some((sample, at)),
        Some(b'\n') => Some((sample, at + 1)),
        Some(_) => None,
    }
}

/// What a type asks of its values; `ms` refuses what is negative, `h` and `d` do not.
#[derive(Clone, Copy)]
struct Type {
    kind: Kind,
    negative: bool,
}

fn type_of(text: &[u8]) -> Result<Type, Reason> {
    let (kind, negative) = match text.trim_ascii() {
        b"c" => (Kind::Counter, true),
        b"g" => (Kind::Gauge, true),
        b"ms" => (Kind::Timer, false),
        b"h" | b"d" => (Kind::Timer, true),
        b"s" => (Kind::Set, true),
        b"" => return Err(Reason::NoType),
        [b'#', ..] => return Err(Reason::NoType),
        // As etsy's server has it: whatever else is a number counts.
        _ => (Kind::Counter, true),
    };
    Ok(Type { kind, negative })
}

fn line(line: &[u8], lines: &mut impl Lines) {
    if line.starts_with(b"_e{") || line.starts_with(b"_sc|") {
        return match annotation::parse(line) {
            Ok(annotation) => lines.message(&annotation),
            Err(reason) => lines.bad(line, reason),
        };
    }
    let Some(name_end) = name_end(line) else {
        return lines.bad(line, Reason::NoValue);
    };
    let (name, rest) = (&line[..name_end], &line[name_end + 1..]);
    let tags = tags_of(rest);
    let (tags, is_dogstatsd) = (tags.unwrap_or_default(), tags.is_some());
    let mut sections = rest.split(|byte| *byte == b'|');
    let mut values = sections.next();
    while let Some(group) = values {
        let (r#type, rate) = (Err(Reason::NoType), Ok(1.0));
        let mut group = Group { line, name, tags, values: group, r#type, rate, is_dogstatsd };
        values = group.read(&mut sections);
        group.tell(lines);
    }
}

/// Where the name ends: at the first `:` that is not in the tags.
fn name_end(line: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let at = start + memchr2(b':', b'|', &line[start..])?;
        if line[at] == b':' {
            return Some(at);
        }
        if line.get(at + 1) == Some(&b'#') {
            return None;
        }
        start = at + 1;
    }
}

/// The first section that begins with `#`.
fn tags_of(rest: &[u8]) -> Option<&[u8]> {
    let mut start = 0;
    while let Some(at) = memchr(b'#', &rest[start..]).map(|at| start + at) {
        if at > 0 && rest[at - 1] == b'|' {
            let tags = &rest[at + 1..];
            return Some(&tags[..memchr(b'|', tags).unwrap_or(tags.len())]);
        }
        start = at + 1;
    }
    None
}

/// Values of a line that share type and rate.
struct Group<'a> {
    line: &'a [u8],
    name: &'a [u8],
    tags: &'a [u8],
    values: &'a [u8],
    r#type: Result<Type, Reason>,
    rate: Result<f64, Reason>,
    is_dogstatsd: bool,
}

impl<'a> Group<'a> {
    /// Reads type and sections; gives the values of the group that follows, where one does.
    fn read(&mut self, sections: &mut impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
        let (r#type, next) = split(sections.next()?);
        self.r#type = type_of(r#type);
        // Tags hold colons of their own.
        if next.is_some() && !r#type.starts_with(b"#") {
            return next;
        }
        for section in sections {
            match section {
                [b'@', text @ ..] => {
                    let (rate, next) = split(text);
                    self.rate = number::number(rate).filter(|rate| *rate > 0.0).ok_or(Reason::BadRate);
                    if next.is_some() {
                        return next;
                    }
                }
                [] => self.rate = Err(Reason::BadRate),
                _ => self.is_dogstatsd |= gauge::is_of_dogstatsd(section),
            }
        }
        None
    }

    fn tell(&self, lines: &mut impl Lines) {
        let (r#type, rate) = match (self.name, self.r#type, self.rate) {
            ([], _, _) => return self.tell_bad(Reason::NoName, lines),
            (_, Err(reason), _) | (_, _, Err(reason)) => return self.tell_bad(reason, lines),
            (_, Ok(r#type), Ok(rate)) => (r#type, rate),
        };
        let (name, tags, is_dogstatsd) = (self.name, self.tags, self.is_dogstatsd);
        let sample = |value| Sample { name, tags, kind: r#type.kind, value, rate, is_dogstatsd };
        if r#type.kind == Kind::Set {
            // The member that etsy's server puts in for none.
            let member = if self.values.is_empty() { b"0" } else { self.values };
            return lines.sample(sample(Value::Member(member)));
        }
        for text in self.values.split(|byte| *byte == b':') {
            match number::number(text) {
                Some(number) if r#type.kind == Kind::Gauge && matches!(text, [b'+' | b'-', ..]) => {
                    lines.sample(sample(Value::Delta(number)));
                }
                Some(number) if number >= 0.0 || r#type.negative => lines.sample(sample(Value::Number(number))),
                None if text.is_empty() => lines.bad(self.line, Reason::NoValue),
                _ => lines.bad(self.line, Reason::BadValue),
            }
        }
    }

    fn tell_bad(&self, reason: Reason, lines: &mut impl Lines) {
        let values = match self.r#type {
            Ok(Type { kind: Kind::Set, .. }) => 1,
            _ => self.values.split(|byte| *byte == b':').count(),
        };
        for _ in 0..values {
            lines.bad(self.line, reason);
        }
    }
}

/// At the first `:`.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b':', text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests;
