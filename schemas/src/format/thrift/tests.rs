//! Both protocols against bytes that are right, cut, or claim too much.
use super::write::{Writer, code};
use super::*;
use proptest::prelude::*;

/// Reads everything in a struct of any content.
fn walk<'a, P: Protocol<'a>>(bytes: &'a [u8]) -> Result<usize> {
    let mut from = P::new(bytes);
    from.skip(Kind::Struct)?;
    Ok(bytes.len() - from.rest().len())
}

#[test]
fn a_call_in_each_form() {
    // The compact head of a one-way `emitBatch`, as the specification has it.
    let mut compact = Compact::new(b"\x82\x81\x00\x09emitBatch\x1c\x00\x00");
    assert_eq!(compact.call(), Ok(Call { name: b"emitBatch", kind: 4, sequence: 0 }));
    assert_eq!(compact.field(&mut 0), Ok(Some((1, Kind::Struct))));
    for strict in [true, false] {
        let mut written = Writer::default();
        written.call(b"Log", 1, 7, strict).field(code::I64, 3).i64(-2).stop();
        let mut binary = Binary::new(&written.bytes);
        assert_eq!(binary.call(), Ok(Call { name: b"Log", kind: 1, sequence: 7 }));
        let mut last = 0;
        assert_eq!(binary.field(&mut last), Ok(Some((3, Kind::I64))));
        assert_eq!(binary.i64(), Ok(-2));
        assert_eq!(binary.field(&mut last), Ok(None));
    }
}

#[test]
fn compact_numbers_and_identifiers() {
    // i64 -1 in field 1, field 20 by its full number, true in field 21.
    let mut from = Compact::new(&[0x16, 0x01, 0x06, 0x28, 0x02, 0x11, 0x00]);
    let mut last = 0;
    assert_eq!(from.field(&mut last), Ok(Some((1, Kind::I64))));
    assert_eq!(from.i64(), Ok(-1));
    assert_eq!(from.field(&mut last), Ok(Some((20, Kind::I64))));
    assert_eq!(from.i64(), Ok(1));
    assert_eq!(from.field(&mut last), Ok(Some((21, Kind::Bool))));
    assert_eq!(from.bool(), Ok(true));
    assert_eq!(from.field(&mut last), Ok(None));
    assert_eq!(Compact::new(&[0xff; 11]).i64(), Err(Error::Malformed), "a varint without end");
    let mut least = vec![0xff; 9];
    least.push(0x01);
    assert_eq!(Compact::new(&least).i64(), Ok(i64::MIN));
}

#[test]
fn what_is_claimed_must_be_there() {
    let claims_of_binary: [&[u8]; 4] = [
        &[11, 0, 1, 0x7f, 0xff, 0xff, 0xff, b'x'],
        &[11, 0, 1, 0xff, 0xff, 0xff, 0xff],
        &[15, 0, 1, 12, 0x7f, 0xff, 0xff, 0xff, 0],
        &[13, 0, 1, 11, 11, 0x7f, 0xff, 0xff, 0xff, 0],
    ];
    for claim in claims_of_binary {
        assert!(walk::<Binary<'_>>(claim).is_err(), "{claim:?}");
    }
    let claims_of_compact: [&[u8]; 3] = [
        &[0x18, 0xff, 0xff, 0xff, 0xff, 0x07, b'x'],
        &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0],
        &[0x1b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x88, 0],
    ];
    for claim in claims_of_compact {
        assert!(walk::<Compact<'_>>(claim).is_err(), "{claim:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let mut binary = Vec::new();
    let compact = vec![0x1c; 100_000];
    for _ in 0..100_000 {
        binary.extend_from_slice(&[12, 0, 1]);
    }
    assert_eq!(walk::<Binary<'_>>(&binary), Err(Error::TooDeep));
    assert_eq!(walk::<Compact<'_>>(&compact), Err(Error::TooDeep));
}

proptest! {
    /// Any bytes: an error or an end within the input, and no panic.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for walked in [walk::<Binary<'_>>(&bytes), walk::<Compact<'_>>(&bytes)] {
            prop_assert!(walked.is_err() || walked.is_ok_and(|read| read <= bytes.len()));
        }
        let _ = (Binary::new(&bytes).call(), Compact::new(&bytes).call());
    }
}
