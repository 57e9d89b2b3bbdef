//! Who is logged in: in memory, so that a restart ends every session.
use metlog_query::Rights;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sessions at a time; beyond them the one that ends first has to go.
const SESSIONS_MAX: usize = 10_000;

struct Session {
    rights: Rights,
    until: Instant,
}

/// All sessions, by the hash of what their cookies say: who reads this memory learns no cookie.
pub struct Sessions {
    time: Duration,
    sessions: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    /// Sessions that last so long.
    pub fn new(time: Duration) -> Sessions {
        Sessions { time, sessions: Mutex::default() }
    }

    /// A new session; what its cookie says.
    pub fn begin(&self, rights: Rights, now: Instant) -> String {
        let id = super::token::hex(&rand::random::<[u8; 32]>());
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= SESSIONS_MAX {
            let first = sessions.iter().min_by_key(|(_, session)| session.until).map(|(key, _)| *key);
            first.and_then(|first| sessions.remove(&first));
        }
        sessions.insert(key(&id), Session { rights, until: now + self.time });
        id
    }

    /// Whose session it is.
    pub fn rights(&self, id: &str, now: Instant) -> Option<Rights> {
        let sessions = self.lock();
        let session = sessions.get(&key(id))?;
        (session.until > now).then(|| session.rights.clone())
    }

    /// Ends it.
    pub fn end(&self, id: &str) {
        self.lock().remove(&key(id));
    }

    /// How long one lasts.
    pub fn time(&self) -> Duration {
        self.time
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end() {
        let (sessions, now) = (Sessions::new(Duration::from_secs(60)), Instant::now());
        let [a, b] = [(); 2].map(|()| sessions.begin(Rights::admin("ann"), now));
        assert_ne!(a, b);
        let user = |id: &str, at| sessions.rights(id, at).and_then(|rights| rights.user().map(str::to_owned));
        assert_eq!(user(&a, now).as_deref(), Some("ann"));
        assert_eq!(user("", now), None);
        sessions.end(&a);
        assert_eq!((user(&a, now), user(&b, now).as_deref()), (None, Some("ann")));
        assert_eq!(user(&b, now + Duration::from_secs(60)), None);
    }

    #[test]
    fn sessions_are_bounded() {
        let (sessions, now) = (Sessions::new(Duration::from_secs(60)), Instant::now());
        let first = sessions.begin(Rights::admin("first"), now);
        for second in 0..SESSIONS_MAX {
            sessions.begin(Rights::admin("ann"), now + Duration::from_micros(1 + second as u64));
        }
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
        assert!(sessions.rights(&first, now).is_none());
    }
}
