//! The hash of the plan: the same on every machine and in every version, since all agents must make the same plan.

/// A step between parts, so that ("ab", "c") and ("a", "bc") differ.
const SEPARATOR: u8 = 0xff;

/// A hash of these parts in this order: FNV-1a, whose bits are then mixed (the finaliser of SplitMix64), since the
/// highest of several hashes is taken and FNV's high bits depend little on the last bytes.
pub(super) fn of(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([SEPARATOR]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mixed(hash)
}

/// The hash of a hash and a number.
pub(super) fn with(hash: u64, number: u64) -> u64 {
    mixed(hash ^ mixed(number.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_every_version() {
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["ab", ""]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
        // A change of these would make agents of two versions disagree about who probes whom.
        assert_eq!((of(&["node-1", "node-2"]), with(1, 2)), (GOLDEN.0, GOLDEN.1));
    }

    const GOLDEN: (u64, u64) = (17_577_785_236_006_598_742, 17_474_652_204_475_260_503);
}
