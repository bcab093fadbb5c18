//! Passwords: argon2id (RFC 9106), away from the async threads, behind a bound.
//!
//! A hash that is expensive for a thief is expensive for the server too: a few hundred logins at once would take all
//! its memory and threads. [`Passwords`] lets so many be computed at once, so many wait, and answers the rest with
//! [`Busy`](PasswordError::Busy). A login for an account that does not exist costs what any other does, so that time
//! does not tell which accounts there are.
//!
//! ```
//! use bartizan_sinks::password::{Passwords, SecretString};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let passwords = Passwords::new(4);
//! let password = SecretString::from("correct horse battery staple");
//! let stored = passwords.hash(&password).await?; // `stored.as_str()` goes to the database
//! assert!(passwords.verify(&password, Some(&stored)).await?);
//! assert!(!passwords.verify(&password, None).await?); // no such account, at the same cost
//! # Ok(())
//! # }
//! ```
//!
//! A password is taken as its bytes. Unicode is not normalised (NFKC would be an agreement on what a person typed):
//! where keyboards compose `é` differently, the client or the application has to, before it comes here.

mod cost;
mod stored;

pub use cost::{Cost, CostError};
pub use secrecy::SecretString;
pub use stored::{PasswordHash, PasswordHashError};

use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier as _};
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How short a new password may be, in characters: code points, of which an emoji is one and four bytes (ASVS 5.0
/// V6.2.1, NIST SP 800-63B section 3.1.1.2).
const SHORTEST: usize = 8;

/// How long a password may be, in bytes: 64 characters have to be possible (ASVS 5.0 V6.2.9).
const LONGEST: usize = 1024;

/// How many may wait for each that is computed, where nothing else is said.
const WAITING_FOR_EACH: usize = 16;

/// Hashes and verifies passwords, so many at once. Cloning is cheap, and a clone shares the bound.
///
/// ```
/// use bartizan_sinks::password::{Cost, Passwords};
///
/// // Eight at once take 8 × 64 MiB, and 100 more may wait for their turn.
/// let passwords = Passwords::new(8).waiting(100).cost(Cost::new(65_536, 3, 1)?);
/// # Ok::<(), bartizan_sinks::password::CostError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Passwords {
    cost: Cost,
    at_once: usize,
    /// One for each that is computed or waits; there is no waiting for it.
    places: Arc<Semaphore>,
    /// One for each that is computed.
    turns: Arc<Semaphore>,
}

/// Why a password was not hashed or not verified.
///
/// ```
/// use bartizan_sinks::password::{PasswordError, Passwords};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = Passwords::new(1).hash(&"1234567".into()).await.unwrap_err();
/// assert_eq!(refused, PasswordError::TooShort);
/// let status = match refused {
///     PasswordError::TooShort | PasswordError::TooLong => 422,
///     PasswordError::Busy => 503,
///     _ => 500,
/// };
/// assert_eq!(status, 422);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It has less than eight characters.
    #[error("the password is too short: choose one of at least 8 characters")]
    TooShort,
    /// It has more than 1,024 bytes.
    #[error("the password is too long: choose one of at most 1024 bytes")]
    TooLong,
    /// As many as allowed are computed, and as many as allowed wait.
    #[error("too many passwords are being verified: try again in a second")]
    Busy,
    /// There was no memory, no randomness, or no thread for it.
    #[error("the password could not be hashed: the system has no memory, no randomness or no thread for it")]
    Failed,
}

impl Passwords {
    /// Computes at most `at_once` hashes at a time (at least one), by OWASP's cost, and lets sixteen times as many
    /// wait. Each takes the memory of its cost, 19 MiB, and one processor.
    ///
    /// ```
    /// # use bartizan_sinks::password::Passwords;
    /// let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    /// let passwords = Passwords::new(at_once);
    /// ```
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS / (2 * WAITING_FOR_EACH));
        let places = Arc::new(Semaphore::new(at_once * (1 + WAITING_FOR_EACH)));
        let turns = Arc::new(Semaphore::new(at_once));
        Self { cost: Cost::OWASP, at_once, places, turns }
    }

    /// Lets so many wait for their turn.
    ///
    /// ```
    /// # use bartizan_sinks::password::Passwords;
    /// let never_wait = Passwords::new(4).waiting(0);
    /// ```
    #[must_use]
    pub fn waiting(mut self, waiting: usize) -> Self {
        let places = self.at_once.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        self.places = Arc::new(Semaphore::new(places));
        self
    }

    /// Hashes by another cost. Stored hashes of an older one are still verified, and
    /// [`need`](Self::needs_rehash) a new one.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, Passwords};
    /// let in_a_test = Passwords::new(4).cost(Cost::dangerously_cheap());
    /// ```
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// Hashes a new password of at least 8 characters and at most 1,024 bytes, with a salt of its own.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, Passwords};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stored = Passwords::new(4).hash(&"correct horse".into()).await?;
    /// assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hash(&self, password: &SecretString) -> Result<PasswordHash, PasswordError> {
        if password.expose_secret().len() > LONGEST {
            return Err(PasswordError::TooLong);
        }
        if password.expose_secret().chars().count() < SHORTEST {
            return Err(PasswordError::TooShort);
        }
        let (password, cost) = (password.clone(), self.cost);
        self.in_turn(move || {
            let hash = cost.argon2().hash_password(password.expose_secret().as_bytes());
            hash.map(|hash| PasswordHash::computed(hash, cost)).map_err(|_| PasswordError::Failed)
        })
        .await
    }

    /// Whether the password is that of the stored hash; `None` is an account that does not exist, and costs the same.
    ///
    /// The comparison takes the same time wherever two hashes differ. The time of a stored hash is that of its own
    /// cost: until all accounts of an older cost are hashed [again](Self::needs_rehash), it tells them from others.
    /// A password of more than 1,024 bytes is nobody's; a short one is verified, because rules change.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, PasswordHash, Passwords};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let passwords = Passwords::new(4).cost(Cost::dangerously_cheap());
    /// let stored = passwords.hash(&"correct horse".into()).await?;
    /// assert!(!passwords.verify(&"Correct horse".into(), Some(&stored)).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<&PasswordHash>,
    ) -> Result<bool, PasswordError> {
        if password.expose_secret().len() > LONGEST {
            return Ok(false);
        }
        let (password, stored, cost) = (password.clone(), stored.cloned(), self.cost);
        self.in_turn(move || {
            let password = password.expose_secret().as_bytes();
            let Some(stored) = stored else { return cost.spend(password).map(|()| false) };
            // The cost is read from the hash, not from ours.
            match cost.argon2().verify_password(password, stored.parsed()) {
                Ok(()) => Ok(true),
                Err(Error::PasswordInvalid) => Ok(false),
                Err(_) => Err(PasswordError::Failed),
            }
        })
        .await
    }

    /// Whether a stored hash is of another cost than new ones: after a successful login, hash the password again and
    /// store that.
    ///
    /// ```
    /// # use bartizan_sinks::password::{Cost, Passwords};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let old = Passwords::new(4).cost(Cost::dangerously_cheap());
    /// let stored = old.hash(&"correct horse".into()).await?;
    /// assert!(Passwords::new(4).needs_rehash(&stored));
    /// assert!(!old.needs_rehash(&stored));
    /// # Ok(())
    /// # }
    /// ```
    pub fn needs_rehash(&self, stored: &PasswordHash) -> bool {
        stored.cost() != self.cost
    }

    /// Computes on a thread that may block, when it is this one's turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        // It is given up where this future is dropped: a client that has gone waits no longer.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        // What is computed goes on without its future, and so it holds its place and turn itself.
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let computed = tokio::task::spawn_blocking(move || {
            let _held = held;
            compute()
        });
        computed.await.unwrap_or(Err(PasswordError::Failed))
    }
}

#[cfg(test)]
mod tests;
