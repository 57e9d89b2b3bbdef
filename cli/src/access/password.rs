//! Passwords: argon2id, and never more of it at a time than intake can spare.
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Passwords that are compared at a time: each takes 19 MiB and one processor.
const AT_ONCE: usize = 2;

/// Comparisons that wait for their turn; others are refused at once.
const WAITING_MAX: usize = 64;

/// Pairs of user and password that are known to be right.
const KNOWN_MAX: usize = 1_024;

/// Longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// Most memory of a hash from the configuration, in KiB.
const MEMORY_KIB_MAX: u32 = 1 << 20;

/// What a user is compared with who is not there: it takes as long.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody's").ok());

/// Hashes a password for the configuration: argon2id with 19 MiB, 2 passes (OWASP's first choice).
///
/// # Errors
/// None that can be caused from outside.
pub fn hash(password: &str) -> Result<String, String> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|error| error.to_string())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    argon.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Looks at a hash of the configuration.
///
/// # Errors
/// What is wrong with it.
pub fn check_hash(hash: &str) -> Result<(), String> {
    let refused = || "must be an argon2id hash, as `metlog password` prints it".to_owned();
    let parsed = PasswordHash::new(hash).map_err(|_| refused())?;
    let params = Params::try_from(&parsed).map_err(|_| refused())?;
    if parsed.algorithm != Algorithm::Argon2id.ident() || parsed.hash.is_none() || parsed.salt.is_none() {
        return Err(refused());
    }
    if params.m_cost() > MEMORY_KIB_MAX {
        return Err("takes more than 1 GiB each time: use fewer KiB".to_owned());
    }
    Ok(())
}

fn is_right(hash: &str, password: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is the user's.
    Right,
    /// It is not, or there is no such user.
    Wrong,
    /// Too many are being compared.
    TooMany,
}

/// Compares passwords, a few at a time.
pub struct Passwords {
    turns: Semaphore,
    places: Semaphore,
    /// Hashes of users, their hashes and right passwords, under a key of this process.
    known: Mutex<HashMap<[u8; 32], ()>>,
    key: [u8; 32],
}

impl Passwords {
    /// None is known yet.
    pub fn new() -> Passwords {
        Passwords {
            turns: Semaphore::new(AT_ONCE),
            places: Semaphore::new(WAITING_MAX),
            known: Mutex::default(),
            key: rand::random(),
        }
    }

    fn digest(&self, user: &str, hash: &str, password: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        for part in [user, hash, password] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// Compares what somebody gave with the hash of the user whom they named, where there is one. Takes as long either
    /// way; a pair that was right before is right at once.
    pub async fn compare(self: &Arc<Passwords>, user: &str, hash: Option<&str>, password: &str) -> Outcome {
        if password.len() > PASSWORD_BYTES_MAX {
            return Outcome::Wrong;
        }
        let digest = hash.map(|hash| self.digest(user, hash, password));
        if digest.is_some_and(|digest| self.is_known(&digest)) {
            return Outcome::Right;
        }
        let Ok(_place) = self.places.try_acquire() else { return Outcome::TooMany };
        let Ok(_turn) = self.turns.acquire().await else { return Outcome::TooMany };
        let (expected, password) = (hash.map(str::to_owned), password.to_owned());
        let compared = tokio::task::spawn_blocking(move || match (&expected, &*NOBODYS) {
            (Some(hash), _) => is_right(hash, &password),
            (None, Some(hash)) => {
                is_right(hash, &password);
                false
            }
            (None, None) => false,
        });
        match (compared.await, digest) {
            (Ok(true), Some(digest)) => {
                self.remember(digest);
                Outcome::Right
            }
            _ => Outcome::Wrong,
        }
    }

    fn is_known(&self, digest: &[u8; 32]) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains_key(digest)
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(digest, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_user_only() {
        let passwords = Arc::new(Passwords::new());
        let hash = hash("horse:battery").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        check_hash(&hash).unwrap();
        assert_eq!(passwords.compare("ann", Some(&hash), "horse").await, Outcome::Wrong);
        assert_eq!(passwords.compare("ann", Some(&hash), "horse:battery").await, Outcome::Right);
        assert_eq!(passwords.known.lock().unwrap().len(), 1);
        assert_eq!(passwords.compare("ann", Some(&hash), "horse:battery").await, Outcome::Right);
        assert_eq!(passwords.compare("nobody", None, "nobody's").await, Outcome::Wrong);
        assert_eq!(passwords.compare("ann", Some(&hash), &"x".repeat(2_000)).await, Outcome::Wrong);
        assert_eq!(passwords.known.lock().unwrap().len(), 1, "what is wrong is not remembered");
    }

    /// Guarantees: whoever tries many passwords waits, and those who wait are bounded.
    #[tokio::test]
    async fn many_comparisons_are_refused() {
        let passwords = Arc::new(Passwords::new());
        let _turns = passwords.turns.acquire_many(AT_ONCE as u32).await.unwrap();
        let _places = passwords.places.acquire_many(WAITING_MAX as u32).await.unwrap();
        assert_eq!(passwords.compare("ann", None, "x").await, Outcome::TooMany);
    }

    #[test]
    fn other_hashes_are_refused() {
        let other = "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
        for hash in ["secret", "$2b$12$abcdefghijklmnopqrstuv", other, "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ"] {
            assert!(check_hash(hash).is_err(), "{hash}");
        }
        let large = "$argon2id$v=19$m=2097152,t=2,p=1$c29tZXNhbHRzb21l$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
        assert!(check_hash(large).unwrap_err().contains("1 GiB"));
    }
}
