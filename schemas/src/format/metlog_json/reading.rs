//! One message of Metlog JSON, read value by value into a row.
use super::{DEPTH_MAX, FIELDS_MAX, PATH_BYTES_MAX, REST, Refusal, timestamp};
use crate::rows::{Row, Text};
use jiter::{Jiter, Peek};
use metlog_wire::Severity;
use std::fmt::Write;

/// A message while it is read.
pub(super) struct Reading<'t, 'b, 'r> {
    pub text: &'t str,
    /// Over `text`.
    pub jiter: Jiter<'t>,
    /// The key of the field at hand.
    pub path: &'b mut String,
    /// What is open around the value at hand: true for an object, false for an array.
    pub open: &'b mut Vec<bool>,
    pub row: &'b mut Row<'r>,
    /// Members beyond [`FIELDS_MAX`], each as `"key":value,`.
    pub rest: &'b mut String,
    /// Bytes of keys and values that may still be made of nested members.
    pub budget: usize,
    /// Where [`Row::field_bytes`] must end for the member at hand.
    pub bytes_max: usize,
    /// The member at hand is too large: it is read to its end, and then kept as text.
    pub is_over: bool,
}

/// The keys that are columns.
#[derive(Clone, Copy)]
enum Key {
    Type,
    Timestamp,
    Logger,
    Severity,
    Payload,
    Fields,
    EnvVersion,
    Pid,
    Hostname,
    Tokens,
    Other,
}

fn key_of(key: &str) -> Key {
    match key {
        "type" => Key::Type,
        "timestamp" => Key::Timestamp,
        "logger" => Key::Logger,
        "severity" => Key::Severity,
        "payload" => Key::Payload,
        "fields" => Key::Fields,
        "env_version" => Key::EnvVersion,
        "metlog_pid" | "pid" => Key::Pid,
        "metlog_hostname" | "hostname" => Key::Hostname,
        "tokens" => Key::Tokens,
        _ => Key::Other,
    }
}

impl Reading<'_, '_, '_> {
    /// All of the text; the parent module says what becomes of it.
    pub fn message(&mut self) -> Result<(), Refusal> {
        match self.text.trim_ascii_start().bytes().next() {
            None => return Err(Refusal::Empty),
            Some(b'{') => (),
            Some(b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => return Err(Refusal::NotAnObject),
            Some(_) => return Err(Refusal::NotJson),
        }
        self.jiter.peek()?;
        let mut typed = false;
        let mut key = self.jiter.known_object()?;
        while let Some(name) = key {
            let known = key_of(name);
            if let Key::Other = known {
                self.path.clear();
                self.path.push_str(name);
            }
            let peek = self.jiter.peek()?;
            if let Key::Type = known {
                typed = peek != Peek::Null;
            }
            self.column(known, peek)?;
            key = self.jiter.next_key()?;
        }
        self.jiter.finish()?;
        if !self.rest.is_empty() {
            self.rest.pop();
            self.rest.insert(0, '{');
            self.rest.push('}');
            self.row.field(REST, self.rest);
        }
        if typed { Ok(()) } else { Err(Refusal::NoType) }
    }

    fn column(&mut self, key: Key, peek: Peek) -> Result<(), Refusal> {
        match key {
            Key::Type => self.string(Text::Type, peek, Refusal::BadType),
            Key::Logger => self.string(Text::Logger, peek, Refusal::BadLogger),
            Key::Hostname => self.string(Text::Hostname, peek, Refusal::BadHostname),
            Key::EnvVersion if peek.is_num() => self.written(Text::EnvVersion, peek),
            Key::EnvVersion => self.string(Text::EnvVersion, peek, Refusal::BadEnvVersion),
            Key::Payload if peek == Peek::Null || peek == Peek::String => {
                self.string(Text::Payload, peek, Refusal::NotJson)
            }
            Key::Payload => self.written(Text::Payload, peek),
            Key::Timestamp => self.timestamp(peek),
            Key::Severity => self.severity(peek),
            Key::Pid => self.pid(peek),
            Key::Tokens => self.tokens(peek),
            Key::Fields => self.fields(peek),
            Key::Other => self.member(peek, false),
        }
    }

    fn string(&mut self, column: Text, peek: Peek, otherwise: Refusal) -> Result<(), Refusal> {
        match peek {
            Peek::String => self.row.text(column, self.jiter.known_str()?),
            Peek::Null => {
                self.jiter.known_null()?;
                self.row.text(column, "");
            }
            _ => return Err(otherwise),
        }
        Ok(())
    }

    /// Takes any value as it is written.
    fn written(&mut self, column: Text, peek: Peek) -> Result<(), Refusal> {
        let start = self.jiter.current_index();
        self.skip(peek)?;
        self.row.text(column, self.text.get(start..self.jiter.current_index()).ok_or(Refusal::NotJson)?);
        Ok(())
    }

    fn timestamp(&mut self, peek: Peek) -> Result<(), Refusal> {
        self.row.timestamp = match peek {
            Peek::String => Some(timestamp::parse(self.jiter.known_str()?.as_bytes())?),
            Peek::Null => self.jiter.known_null().map(|()| None)?,
            _ => return Err(Refusal::BadTimestamp),
        };
        Ok(())
    }

    fn severity(&mut self, peek: Peek) -> Result<(), Refusal> {
        let number = match peek {
            Peek::String => self.jiter.known_str()?.trim_ascii().as_bytes(),
            Peek::Null => {
                self.row.severity = Severity::default();
                return Ok(self.jiter.known_null()?);
            }
            _ if peek.is_num() => self.jiter.known_number_bytes(peek)?,
            _ => return Err(Refusal::BadSeverity),
        };
        let &[digit @ b'0'..=b'7'] = number else {
            return Err(Refusal::BadSeverity);
        };
        self.row.severity = Severity::new(digit - b'0').ok_or(Refusal::BadSeverity)?;
        Ok(())
    }

    fn pid(&mut self, peek: Peek) -> Result<(), Refusal> {
        let number = match peek {
            Peek::String => self.jiter.known_str()?.trim_ascii().as_bytes(),
            Peek::Null => {
                self.row.pid = 0;
                return Ok(self.jiter.known_null()?);
            }
            _ if peek.is_num() => self.jiter.known_number_bytes(peek)?,
            _ => return Err(Refusal::BadPid),
        };
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        self.row.pid = number.ok_or(Refusal::BadPid)?;
        Ok(())
    }

    fn tokens(&mut self, peek: Peek) -> Result<(), Refusal> {
        match peek {
            Peek::Null => Ok(self.jiter.known_null()?),
            Peek::Array => {
                let mut next = self.jiter.known_array()?;
                while let Some(peek) = next {
                    self.token(peek)?;
                    next = self.jiter.array_step()?;
                }
                Ok(())
            }
            _ => self.token(peek),
        }
    }

    fn token(&mut self, peek: Peek) -> Result<(), Refusal> {
        if peek == Peek::String {
            self.row.token(self.jiter.known_str()?);
            return Ok(());
        }
        let start = self.jiter.current_index();
        self.skip(peek)?;
        self.row.token(self.text.get(start..self.jiter.current_index()).ok_or(Refusal::NotJson)?);
        Ok(())
    }

    fn fields(&mut self, peek: Peek) -> Result<(), Refusal> {
        self.path.clear();
        let from = self.row.field_count();
        let read = self.fields_value(peek);
        self.row.own_fields = from..self.row.field_count();
        read
    }

    fn fields_value(&mut self, peek: Peek) -> Result<(), Refusal> {
        match peek {
            Peek::Null => Ok(self.jiter.known_null()?),
            Peek::Object => {
                let mut more = self.jiter.known_object()?.map(|key| self.path.push_str(key)).is_some();
                while more {
                    let peek = self.jiter.peek()?;
                    self.member(peek, false)?;
                    self.path.clear();
                    more = self.jiter.next_key()?.map(|key| self.path.push_str(key)).is_some();
                }
                Ok(())
            }
            _ => {
                self.path.push_str("fields");
                self.member(peek, true)
            }
        }
    }

    /// Adds a member of the outermost level, whose key is the path, within the bounds on what a message may become.
    /// `is_all`: it is all of `fields`, so its elements are the members.
    fn member(&mut self, peek: Peek, is_all: bool) -> Result<(), Refusal> {
        let (fields, start) = (self.row.field_count(), self.jiter.current_index());
        if fields >= FIELDS_MAX {
            self.skip(peek)?;
            let value = self.text.get(start..self.jiter.current_index()).ok_or(Refusal::NotJson)?;
            let key = serde_json::Value::from(self.path.as_str());
            return write!(self.rest, "{key}:{value},").map_err(|_| Refusal::NotJson);
        }
        if !matches!(peek, Peek::Object | Peek::Array) {
            return self.flatten(peek, 1);
        }
        let (key_bytes, bytes) = (self.path.len(), self.row.field_bytes());
        self.bytes_max = bytes + self.budget;
        self.is_over = false;
        if is_all && peek == Peek::Array {
            let first = self.jiter.known_array()?;
            self.elements(first, 1)?;
        } else {
            self.flatten(peek, 1)?;
        }
        if self.is_over() {
            self.row.truncate_fields(fields);
            self.path.truncate(key_bytes);
            let text = self.text.get(start..self.jiter.current_index()).ok_or(Refusal::NotJson)?;
            self.row.field(self.path, text);
        } else {
            self.budget -= self.row.field_bytes() - bytes;
        }
        Ok(())
    }

    /// True if the member at hand has become too large, or too many fields.
    fn is_over(&mut self) -> bool {
        self.is_over |= self.row.field_bytes() > self.bytes_max || self.row.field_count() > FIELDS_MAX;
        self.is_over
    }

    /// [`Reading::flatten`] within a member: what is too large already is only read over.
    fn inner(&mut self, peek: Peek, depth: usize) -> Result<(), Refusal> {
        if self.is_over() { self.skip(peek) } else { self.flatten(peek, depth) }
    }

    /// Adds the value at hand, and all inside it, under the path. `depth` levels are around it.
    fn flatten(&mut self, peek: Peek, depth: usize) -> Result<(), Refusal> {
        let is_short = depth < DEPTH_MAX && self.path.len() <= PATH_BYTES_MAX;
        match peek {
            Peek::String => self.row.field(self.path, self.jiter.known_str()?),
            Peek::Object if is_short => {
                let length = self.path.len();
                let Some(key) = self.jiter.known_object()? else {
                    self.row.field(self.path, "{}");
                    return Ok(());
                };
                self.path.push('.');
                self.path.push_str(key);
                self.members(true, length + 1, depth + 1)?;
                self.path.truncate(length);
            }
            Peek::Array if is_short => match self.jiter.known_array()? {
                None => self.row.field(self.path, "[]"),
                first => self.elements(first, depth + 1)?,
            },
            _ if peek.is_num() => {
                let number = self.jiter.known_number_bytes(peek)?;
                self.row.field(self.path, std::str::from_utf8(number).map_err(|_| Refusal::NotUtf8)?);
            }
            _ => {
                let start = self.jiter.current_index();
                self.skip(peek)?;
                let text = self.text.get(start..self.jiter.current_index()).ok_or(Refusal::NotJson)?;
                self.row.field(self.path, text);
            }
        }
        Ok(())
    }

    /// The members of an object whose first key, if it has one, is in the path from `key_at` on.
    fn members(&mut self, mut more: bool, key_at: usize, depth: usize) -> Result<(), Refusal> {
        while more {
            let peek = self.jiter.peek()?;
            self.inner(peek, depth)?;
            self.path.truncate(key_at);
            more = self.jiter.next_key()?.map(|key| self.path.push_str(key)).is_some();
        }
        Ok(())
    }

    fn elements(&mut self, first: Option<Peek>, depth: usize) -> Result<(), Refusal> {
        let length = self.path.len();
        let (mut next, mut index) = (first, 0usize);
        while let Some(peek) = next {
            self.path.push('[');
            push_number(self.path, index);
            self.path.push(']');
            self.inner(peek, depth)?;
            self.path.truncate(length);
            next = self.jiter.array_step()?;
            index += 1;
        }
        Ok(())
    }

    /// Reads over a value, however deep: jiter's own would recurse.
    fn skip(&mut self, peek: Peek) -> Result<(), Refusal> {
        self.open.clear();
        let mut value = Some(peek); // `None`: the one before has ended
        loop {
            value = match value {
                Some(Peek::Object) => match self.jiter.known_object()?.is_some() {
                    true => {
                        self.open.push(true);
                        Some(self.jiter.peek()?)
                    }
                    false => None,
                },
                Some(Peek::Array) => {
                    let first = self.jiter.known_array()?;
                    if first.is_some() {
                        self.open.push(false);
                    }
                    first
                }
                Some(peek) => {
                    self.scalar(peek)?;
                    None
                }
                None => {
                    let next = match self.open.last() {
                        None => return Ok(()),
                        Some(true) if self.jiter.next_key()?.is_some() => Some(self.jiter.peek()?),
                        Some(true) => None,
                        Some(false) => self.jiter.array_step()?,
                    };
                    if next.is_none() {
                        self.open.pop();
                    }
                    next
                }
            };
        }
    }

    fn scalar(&mut self, peek: Peek) -> Result<(), Refusal> {
        match peek {
            Peek::String => self.jiter.known_str().map(|_| ())?,
            Peek::True | Peek::False => self.jiter.known_bool(peek).map(|_| ())?,
            Peek::Null => self.jiter.known_null()?,
            _ => self.jiter.known_number_bytes(peek).map(|_| ())?,
        }
        Ok(())
    }
}

fn push_number(text: &mut String, number: usize) {
    match number {
        0..=9 => text.push(char::from(b'0' + number as u8)),
        _ => text.push_str(&number.to_string()),
    }
}
