//! JSON of v1 and v2: a span is of v1 where it has `binaryAnnotations`, or annotations with endpoints. An item of the list
//! that is no span is refused by itself.
use super::span::{Endpoint, Span, id};
use super::v1::{self, Binary, V1Span};
use crate::format::metlog_json::array_items;
use crate::format::{Decoded, Entry};
use crate::span::Kind;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Decodes a list.
pub(super) fn decode(list: &[u8], at: Entry, out: &mut Decoded) {
    let items = match array_items(list) {
        Ok(items) => items,
        Err(_) => return out.reject(at, "zipkin_not_json", 1, list),
    };
    for item in items {
        match serde_json::from_slice::<JsonSpan<'_>>(item) {
            Err(_) => out.reject(at, "zipkin_not_a_span", 1, item),
            Ok(span) => {
                if let Err(reason) = write(span, at, out, item) {
                    out.reject(at, reason, 1, item);
                }
            }
        }
    }
}

/// Of the trace, of the span, and of its parent.
type Ids = ([u8; 16], [u8; 8], [u8; 8]);

/// Ids that are there; an id that is no hexadecimal number of the right length is refused.
fn ids(span: &JsonSpan<'_>) -> Result<Ids, &'static str> {
    let trace_id = id(&span.trace_id.0).ok_or("zipkin_bad_trace_id")?;
    let own = id(&span.id.0).ok_or("zipkin_bad_span_id")?;
    let parent = match &*span.parent_id.0 {
        "" => [0; 8],
        digits => id(digits).ok_or("zipkin_bad_parent_id")?,
    };
    Ok((trace_id, own, parent))
}

fn write(span: JsonSpan<'_>, at: Entry, out: &mut Decoded, item: &[u8]) -> Result<(), &'static str> {
    let (trace_id, id, parent_id) = ids(&span)?;
    if !span.binary_annotations.is_empty() || span.annotations.iter().any(|of| of.endpoint.is_some()) {
        let mut old = V1Span { trace_id, id, parent_id, name: span.name.0, ..V1Span::default() };
        (old.timestamp, old.duration, old.debug) = (span.timestamp, span.duration, span.debug);
        old.annotations =
            span.annotations.into_iter().map(|of| (of.timestamp, of.value.0, of.endpoint.map(JsonEndpoint::endpoint))).collect();
        old.binary = span
            .binary_annotations
            .into_iter()
            .map(|of| Binary { key: of.key.0, value: of.value.0, endpoint: of.endpoint.map(JsonEndpoint::endpoint) })
            .collect();
        v1::write(&old, at, out, item);
        return Ok(());
    }
    let new = Span {
        trace_id,
        id,
        parent_id,
        name: span.name.0,
        kind: Kind::of_word(&span.kind.0).unwrap_or_default(),
        timestamp: span.timestamp,
        duration: span.duration,
        local: span.local_endpoint.map(JsonEndpoint::endpoint).unwrap_or_default(),
        remote: span.remote_endpoint.map(JsonEndpoint::endpoint).unwrap_or_default(),
        annotations: span.annotations.into_iter().map(|of| (of.timestamp, of.value.0)).collect(),
        tags: span.tags.0,
        debug: span.debug,
        shared: span.shared,
    };
    new.write(at, out, item);
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonSpan<'a> {
    #[serde(borrow)]
    trace_id: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    parent_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(deserialize_with = "number")]
    timestamp: u64,
    #[serde(deserialize_with = "number")]
    duration: u64,
    #[serde(borrow)]
    local_endpoint: Option<JsonEndpoint<'a>>,
    #[serde(borrow)]
    remote_endpoint: Option<JsonEndpoint<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    annotations: Vec<JsonAnnotation<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    binary_annotations: Vec<JsonBinary<'a>>,
    #[serde(borrow)]
    tags: Pairs<'a>,
    #[serde(deserialize_with = "flag")]
    debug: bool,
    #[serde(deserialize_with = "flag")]
    shared: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonEndpoint<'a> {
    #[serde(borrow)]
    service_name: Text<'a>,
    #[serde(borrow)]
    ipv4: Text<'a>,
    #[serde(borrow)]
    ipv6: Text<'a>,
    #[serde(deserialize_with = "number")]
    port: u64,
}

impl<'a> JsonEndpoint<'a> {
    fn endpoint(self) -> Endpoint<'a> {
        let port = u16::try_from(self.port).unwrap_or(0);
        Endpoint { service: self.service_name.0, ipv4: self.ipv4.0, ipv6: self.ipv6.0, port }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonAnnotation<'a> {
    #[serde(deserialize_with = "number")]
    timestamp: u64,
    #[serde(borrow)]
    value: Text<'a>,
    #[serde(borrow)]
    endpoint: Option<JsonEndpoint<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonBinary<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
    #[serde(borrow)]
    endpoint: Option<JsonEndpoint<'a>>,
}

/// A number that may be null; a fraction is cut off.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(from)?.unwrap_or_else(|| 0.into());
    number
        .as_u64()
        .or_else(|| number.as_f64().filter(|number| (0.0..1e19).contains(number)).map(|number| number as u64))
        .ok_or_else(|| serde::de::Error::custom("a number below zero"))
}

/// `true`, `false` or null.
fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(from)?.unwrap_or_default())
}

/// A list that may be null.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

/// A text, borrowed where nothing in it is escaped. Numbers, `true`, `false` and null are texts too.
#[derive(Debug, Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Text(value.to_string().into()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(number.to_string().into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(number.to_string().into()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Text(number.to_string().into()))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        from.deserialize_any(Read)
    }
}

/// An object of texts in its order; a key may repeat.
#[derive(Debug, Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Text(key)) = map.next_key()? {
                    let Text(value) = map.next_value()?;
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
        }
        from.deserialize_any(Read)
    }
}
