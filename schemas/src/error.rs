//! Errors in words.
use std::error::Error;

/// An error and its causes, outermost first, in one line. A cause whose text is already included is not repeated.
pub fn with_causes(error: &dyn Error) -> String {
    let (mut words, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let told = cause.to_string();
        if !words.contains(&told) {
            words = format!("{words}: {told}");
        }
        next = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn each_cause_is_told_once() {
        let inner = Layer("no route to host", None);
        let middle = Layer("connect: no route to host", Some(Box::new(inner)));
        assert_eq!(with_causes(&Layer("put failed", Some(Box::new(middle)))), "put failed: connect: no route to host");
    }
}
