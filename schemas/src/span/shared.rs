//! What spans share: the resource and the scope they belong to, described once.
use super::attributes::Attributes;
use super::{Refusal, SHARED_BYTES_MAX, SPAN_PARTS_MAX, Value};

/// A resource or a scope: one set of attributes, and what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) attributes: Attributes,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) schema_url: String,
    pub(super) dropped: u32,
    pub(super) is_given: bool,
    pub(super) refusal: Option<Refusal>,
}

impl Shared {
    pub(super) fn clear(&mut self) {
        self.attributes.truncate(0);
        self.name.clear();
        self.version.clear();
        self.schema_url.clear();
        (self.dropped, self.is_given, self.refusal) = (0, true, None);
    }

    pub(super) fn bytes(&self) -> usize {
        self.attributes.text_bytes() + self.name.len() + self.version.len() + self.schema_url.len()
    }

    /// Its attributes as one closed set.
    pub(super) fn close(&mut self) {
        if self.attributes.len() == 0 {
            self.attributes.close();
        }
    }
}

/// A resource or a scope that is being described.
#[derive(Debug)]
pub struct Set<'r> {
    pub(super) shared: &'r mut Shared,
}

impl Set<'_> {
    /// Adds an attribute. A resource's `service.name` is the column `service` of its spans.
    pub fn attribute(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        if self.shared.bytes() + key.len() > SHARED_BYTES_MAX || self.shared.attributes.open_len() >= SPAN_PARTS_MAX {
            self.shared.refusal = Some(Refusal::ResourceTooLarge);
        } else if self.shared.attributes.push(key, value).is_err() {
            self.shared.refusal = Some(Refusal::Nested);
        }
        self
    }

    /// Name of a scope.
    pub fn name(&mut self, name: &str) -> &mut Self {
        name.clone_into(&mut self.shared.name);
        self
    }

    /// Version of a scope.
    pub fn version(&mut self, version: &str) -> &mut Self {
        version.clone_into(&mut self.shared.version);
        self
    }

    /// Its schema, or that of its spans.
    pub fn schema_url(&mut self, url: &str) -> &mut Self {
        url.clone_into(&mut self.shared.schema_url);
        self
    }

    /// How many attributes the sender left out.
    pub fn dropped_attributes(&mut self, count: u32) -> &mut Self {
        self.shared.dropped = count;
        self
    }

    /// OTLP gave none: there is neither a resource nor a scope, only the place for it.
    pub fn absent(&mut self) -> &mut Self {
        self.shared.is_given = false;
        self
    }
}
