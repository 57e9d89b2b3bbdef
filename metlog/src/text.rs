//! A short text that lives where it is declared, and moves to the heap only where it grows long.
use std::fmt;

/// Up to `N` bytes in place.
#[derive(Clone)]
pub(crate) struct InlineText<const N: usize> {
    bytes: [u8; N],
    length: usize,
    /// The whole text, once it was longer than `N`.
    long: Option<String>,
}

impl<const N: usize> Default for InlineText<N> {
    #[inline]
    fn default() -> Self {
        InlineText { bytes: [0; N], length: 0, long: None }
    }
}

impl<const N: usize> InlineText<N> {
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        let end = self.length + text.len();
        match self.bytes.get_mut(self.length..end) {
            Some(place) if self.long.is_none() => {
                place.copy_from_slice(text.as_bytes());
                self.length = end;
            }
            _ => self.push_long(text),
        }
    }

    #[cold]
    fn push_long(&mut self, text: &str) {
        if self.long.is_none() {
            self.long = Some(self.as_str().to_owned());
        }
        if let Some(long) = &mut self.long {
            long.push_str(text);
        }
    }

    pub fn as_str(&self) -> &str {
        match &self.long {
            Some(long) => long,
            // Only whole texts were copied in, so it is always UTF-8.
            None => std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default(),
        }
    }
}

impl<const N: usize> fmt::Write for InlineText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl<const N: usize> fmt::Debug for InlineText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_wherever_it_lives() {
        let mut text = InlineText::<4>::default();
        assert_eq!(text.as_str(), "");
        for (part, whole, long) in [("ab", "ab", false), ("é", "abé", false), ("c", "abéc", true), ("d", "abécd", true)]
        {
            text.push_str(part);
            assert_eq!((text.as_str(), text.long.is_some()), (whole, long));
        }
    }
}
