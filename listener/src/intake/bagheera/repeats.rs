//! Ids that were accepted lately, so that a retry whose first answer got lost is not stored twice.
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

/// Documents that are remembered.
pub const REMEMBERED_MAX: usize = 65_536;

/// What was accepted, by a hash of logger, id and body that nobody outside can foresee.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    hasher: RandomState,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    states: HashMap<u64, State>,
    /// Those that are done, the oldest first.
    done: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Done,
}

/// What is known of a document that comes.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: it is under way now.
    New(UnderWay),
    /// It is on disk.
    Repeated,
    /// The same one is under way, and may still fail.
    UnderWay,
}

/// A document under way. Dropped without [`UnderWay::done`] it is forgotten.
#[derive(Debug)]
pub struct UnderWay {
    key: u64,
    known: Arc<Mutex<Known>>,
}

impl Repeats {
    /// Looks a document up, and notes that it is under way where it is new.
    pub fn begin(&self, logger: &str, id: &str, body: &[u8]) -> Begun {
        let key = self.hasher.hash_one((logger, id, body));
        let mut known = crate::lock(&self.known);
        match known.states.get(&key) {
            Some(State::Done) => Begun::Repeated,
            Some(State::UnderWay) => Begun::UnderWay,
            None => {
                known.states.insert(key, State::UnderWay);
                Begun::New(UnderWay { key, known: Arc::clone(&self.known) })
            }
        }
    }
}

impl UnderWay {
    /// It is on disk.
    pub fn done(self) {
        let mut known = crate::lock(&self.known);
        known.states.insert(self.key, State::Done);
        known.done.push_back(self.key);
        if known.done.len() > REMEMBERED_MAX
            && let Some(oldest) = known.done.pop_front()
        {
            known.states.remove(&oldest);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut known = crate::lock(&self.known);
        if known.states.get(&self.key) == Some(&State::UnderWay) {
            known.states.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_repeated_and_what_failed_is_new_again() {
        let repeats = Repeats::default();
        let Begun::New(first) = repeats.begin("a", "1", b"x") else { panic!("it is new") };
        assert!(matches!(repeats.begin("a", "1", b"x"), Begun::UnderWay));
        assert!(matches!(repeats.begin("b", "1", b"x"), Begun::New(_)));
        assert!(matches!(repeats.begin("a", "1", b"y"), Begun::New(_)));
        drop(first);
        let Begun::New(second) = repeats.begin("a", "1", b"x") else { panic!("the first one failed") };
        second.done();
        assert!(matches!(repeats.begin("a", "1", b"x"), Begun::Repeated));
        for n in 0..REMEMBERED_MAX {
            let Begun::New(one) = repeats.begin("a", &n.to_string(), b"z") else { panic!("it is new") };
            one.done();
        }
        assert!(matches!(repeats.begin("a", "1", b"x"), Begun::New(_)), "the oldest is forgotten");
        assert_eq!(crate::lock(&repeats.known).states.len(), REMEMBERED_MAX);
    }
}
