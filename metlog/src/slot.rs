//! A place that holds the newest of a series of values and is read without a lock.
//!
//! A lock would not do: a forked child may inherit one that is held by a thread it does not have. A value
//! that was replaced is leaked on purpose: somebody may still be reading it, and after a fork its insides
//! may be half written.
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Invariant: the pointer is null or came from [`Arc::into_raw`], and its count is never given back while
/// the slot lives. `PhantomData` makes the slot shared between threads only where `Arc<T>` is.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pointer: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

impl<T> Slot<T> {
    pub const fn empty() -> Slot<T> {
        Slot { pointer: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// The newest value.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: by the invariant the value lives at least as long as the slot, which is borrowed; values are
        // only ever reached through shared references. Acquire pairs with the release in `replace`.
        #[allow(unsafe_code)]
        unsafe {
            self.pointer.load(Ordering::Acquire).as_ref()
        }
    }

    /// Puts `new` in where the newest value is still `seen`; what it replaces is leaked. False: it is not, and
    /// nothing was done.
    pub fn replace(&self, seen: Option<&T>, new: Option<Arc<T>>) -> bool {
        let expected = seen.map_or(ptr::null_mut(), |seen| ptr::from_ref(seen).cast_mut());
        let offered = new.map_or(ptr::null_mut(), |new| Arc::into_raw(new).cast_mut());
        if self.pointer.compare_exchange(expected, offered, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return true;
        }
        // SAFETY: the slot did not take it, so this is the only pointer to what `into_raw` gave above.
        #[allow(unsafe_code)]
        (!offered.is_null()).then(|| unsafe { Arc::from_raw(offered) });
        false
    }

    /// Gives the newest value back to be freed; nobody can be reading it, since the slot is borrowed alone.
    pub fn take(&mut self) -> Option<Arc<T>> {
        let pointer = std::mem::replace(self.pointer.get_mut(), ptr::null_mut());
        // SAFETY: by the invariant it came from `into_raw` and its count is still ours.
        #[allow(unsafe_code)]
        (!pointer.is_null()).then(|| unsafe { Arc::from_raw(pointer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_saw_the_newest_may_replace_it() {
        let slot = Slot::empty();
        let (one, two) = (Arc::new(1), Arc::new(2));
        assert!(slot.replace(None, Some(one.clone())));
        let seen = slot.get();
        assert_eq!(seen, Some(&1));
        assert!(!slot.replace(None, Some(two.clone())), "it is no longer empty");
        assert_eq!(Arc::strong_count(&two), 1, "what was not taken is freed");
        assert!(slot.replace(seen, Some(two.clone())));
        assert!(!slot.replace(seen, None), "it is no longer the first");
        assert_eq!((seen, slot.get()), (Some(&1), Some(&2)), "a replaced value can still be read");
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (2, 2));
    }

    #[test]
    fn taking_empties_it_and_leaks_nothing() {
        let mut slot = Slot::empty();
        let value = Arc::new("x");
        assert!(slot.replace(None, Some(value.clone())));
        drop(slot.take());
        assert_eq!(slot.get(), None);
        assert_eq!((slot.take(), Arc::strong_count(&value)), (None, 1));
    }

    #[test]
    fn many_threads_replace_and_read() {
        let slot = &Slot::<Vec<u64>>::empty();
        let add = |number: u64| {
            loop {
                let seen = slot.get();
                let mut next = seen.cloned().unwrap_or_default();
                next.push(number);
                if slot.replace(seen, Some(Arc::new(next))) {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || (0..100).for_each(|i| add(thread * 100 + i)));
            }
        });
        let mut all = slot.get().cloned().unwrap_or_default();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..400));
    }
}
