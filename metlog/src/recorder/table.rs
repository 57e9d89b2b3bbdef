//! A table that is read and added to without a lock: what is in it stays until it is dropped.
//!
//! A lock would not do: a forked child may inherit one that is held by a thread it does not have.
use crate::slot::Slot;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

/// Places that are looked at for one value.
const PROBES_MAX: usize = 32;

/// At most as many values as it has places; fewer where many fall on the same places.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// A power of two of them.
    places: Box<[Slot<T>]>,
}

/// Where a text is looked for.
pub(super) fn hash(text: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(text)
}

impl<T> Table<T> {
    pub fn new(places: usize) -> Table<T> {
        Table { places: (0..places.next_power_of_two()).map(|_| Slot::empty()).collect() }
    }

    /// The value that is there, or else one that is made and put there. `Err`: there is no room, and here it is.
    pub fn get_or_insert(&self, hash: u64, is_it: impl Fn(&T) -> bool, make: impl Fn() -> T) -> Result<&T, T> {
        let mask = self.places.len() - 1;
        let mut made: Option<Arc<T>> = None;
        for probe in 0..PROBES_MAX.min(self.places.len()) {
            #[allow(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
            let place = &self.places[(hash as usize).wrapping_add(probe) & mask];
            if place.get().is_none() {
                let new = made.get_or_insert_with(|| Arc::new(make()));
                place.replace(None, Some(new.clone())); // or another thread was first
            }
            if let Some(value) = place.get().filter(|value| is_it(value)) {
                return Ok(value);
            }
        }
        Err(made.and_then(Arc::into_inner).unwrap_or_else(make))
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        self.places.iter_mut().for_each(|place| drop(place.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_there_once_and_the_table_is_bounded() {
        let table = Table::new(8);
        for round in 0..2 {
            for value in 0..8_u64 {
                let found = table.get_or_insert(3, |known| *known == value, || value);
                assert_eq!(found, Ok(&value), "{round}");
            }
            assert_eq!(table.get_or_insert(3, |known| *known == 8, || 8), Err(8));
        }
    }

    #[test]
    fn many_threads_agree() {
        let table = &Table::new(1_024);
        let all = |_| {
            (0..500_u64).map(|n| table.get_or_insert(n * 7, |known| *known == n, || n).unwrap() as *const u64 as usize)
        };
        let found: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || all(n).collect())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|places| *places == found[0]));
    }

    #[test]
    fn what_is_in_it_is_dropped_with_it() {
        let value = Arc::new(());
        let table = Table::new(4);
        assert!(table.get_or_insert(0, |_| false, || value.clone()).is_err(), "it never is what was looked for");
        drop(table);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
