//! The numbers that statsd calls take.
use std::fmt;

mod sealed {
    pub trait Sealed {
        /// The number as a line has it.
        fn value(self) -> super::Quantity;
    }
}

/// A number of a statsd call: any integer or float of up to 64 bits. A float that is not finite is dropped.
pub trait Number: sealed::Sealed {}

/// A number in its widest type. Nobody outside of the crate can name it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Signed(value) => value.fmt(f),
            Quantity::Unsigned(value) => value.fmt(f),
            Quantity::Float(value) => value.fmt(f),
        }
    }
}

macro_rules! number {
    ($variant:ident($inner:ty): $($of:ty),+) => {
        $(
            impl Number for $of {}
            impl sealed::Sealed for $of {
                #[inline]
                fn value(self) -> Quantity {
                    Quantity::$variant(self as $inner)
                }
            }
        )+
    };
}

number!(Signed(i64): i8, i16, i32, i64, isize);
number!(Unsigned(u64): u8, u16, u32, u64, usize);
number!(Float(f64): f32, f64);

pub(super) fn is_finite(value: &Quantity) -> bool {
    !matches!(value, Quantity::Float(value) if !value.is_finite())
}

/// True if the number is written with a minus; so is the float `-0.0`.
pub(super) fn is_negative(value: &Quantity) -> bool {
    match value {
        Quantity::Signed(value) => *value < 0,
        Quantity::Float(value) => value.is_sign_negative(),
        Quantity::Unsigned(_) => false,
    }
}
