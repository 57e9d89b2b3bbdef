//! The numbers that statsd calls take, as cadence's own value type.
use cadence::ext::MetricValue;

mod sealed {
    pub trait Sealed {}
}

/// A number of a statsd call: any integer or float of up to 64 bits. A float that is not finite is dropped.
pub trait Number: sealed::Sealed {
    /// The number as cadence has it.
    fn value(self) -> MetricValue;
}

macro_rules! number {
    ($variant:ident($inner:ty): $($of:ty),+) => {
        $(
            impl sealed::Sealed for $of {}
            impl Number for $of {
                #[inline]
                fn value(self) -> MetricValue {
                    MetricValue::$variant(self as $inner)
                }
            }
        )+
    };
}

number!(Signed(i64): i8, i16, i32, i64, isize);
number!(Unsigned(u64): u8, u16, u32, u64, usize);
number!(Float(f64): f32, f64);

pub(super) fn is_finite(value: &MetricValue) -> bool {
    !matches!(value, MetricValue::Float(value) if !value.is_finite())
}

/// True where the number is written with a minus; so is the float `-0.0`.
pub(super) fn is_negative(value: &MetricValue) -> bool {
    match value {
        MetricValue::Signed(value) => *value < 0,
        MetricValue::Float(value) => value.is_sign_negative(),
        _ => false,
    }
}
