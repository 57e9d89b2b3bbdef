//! What a span is, apart from how it is sent: its kind, how it ended, and the values of its attributes.

/// What part a span had in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// Not said.
    #[default]
    Unspecified,
    /// Within a program.
    Internal,
    /// It served a request.
    Server,
    /// It sent a request and waited.
    Client,
    /// It sent a message.
    Producer,
    /// It received a message.
    Consumer,
}

impl Kind {
    /// All, by their number in OTLP.
    pub const ALL: [Kind; 6] =
        [Kind::Unspecified, Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer];

    /// As in the column `kind`.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Unspecified => "",
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        }
    }

    /// Its number in OTLP.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The kind of an OTLP number.
    pub fn of_number(number: i32) -> Option<Kind> {
        Kind::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The kind of a word, in any case; `None` for a word that is none.
    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// Not said.
    #[default]
    Unset,
    /// Said to be good.
    Ok,
    /// It failed.
    Error,
}

impl Status {
    /// All, by their number in OTLP.
    pub const ALL: [Status; 3] = [Status::Unset, Status::Ok, Status::Error];

    /// As in the column `status`.
    pub const fn word(self) -> &'static str {
        match self {
            Status::Unset => "",
            Status::Ok => "ok",
            Status::Error => "error",
        }
    }

    /// Its number in OTLP.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The status of an OTLP number.
    pub fn of_number(number: i32) -> Option<Status> {
        Status::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The status of a word of the column.
    pub fn of_word(word: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list, a map or anything else, as the protobuf of OTLP's `AnyValue`.
    Nested(&'a [u8]),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Str(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Str(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Double(number)
    }
}

impl From<f32> for Value<'_> {
    fn from(number: f32) -> Self {
        Value::Double(number.into())
    }
}

macro_rules! whole {
    ($($number:ty),*) => {
        $(impl From<$number> for Value<'_> {
            fn from(number: $number) -> Self {
                Value::Int(number.into())
            }
        })*
    };
}

whole!(i64, i32, i16, i8, u32, u16, u8);

/// Numbers beyond the largest `i64` become it.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Numbers beyond the largest `i64` become it.
impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
