//! The ring of a deployment's keys, as one node works with it: read from the store, turned by whoever is first, and used
//! without a lock.

mod refreshing;
mod revocation;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bartizan_core::{
    Timestamp, TokenDigest,
    jwt::{Algorithm, VerifyingKey},
    key_ring::{
        DocumentError, NoStandby, NotSigning, Plan, RevokeError, Ring, RingError, RingKey, Settings,
        Snapshot, Stale, plan,
    },
    keys::Keys,
};
use bartizan_store::{Document, DocumentName, Store, StoreError};
use thiserror::Error;
use tokio::{runtime::Handle, sync::Mutex};

use super::{KeyFault, SealError, SigningKey, material, verifying_key};
pub use refreshing::Refreshing;

/// How often a change is tried again where another node was first. Each time one of them got on.
const TRIES: u32 = 32;

/// How long after it last asked a node asks the store again about a `kid` that it does not know: a flood of made-up ones
/// costs one question in that time.
const COOLDOWN: Duration = Duration::from_secs(5);

/// The keys of a deployment, shared by its nodes through a store.
///
/// Each node reads the ring again before it is [stale](Settings::jwks_max_age), by [`refresh`](Self::refresh), and turns
/// it where it is time; of many nodes exactly one does. A node that cannot read it stops to sign and to verify.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use bartizan::jwt::KeyRing;
/// use bartizan_core::{Timestamp, jwt::{Rules, Token}, key_ring::{KeyRingConfig, Settings}, keys::Keys};
/// use bartizan_store::{MemoryLimits, MemoryStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(MemoryStore::new(MemoryLimits::default()));
/// let keys = Keys::new(&[b"0123456789abcdef0123456789abcdef"]).unwrap();
/// let settings = Settings::new(&KeyRingConfig::default()).unwrap();
/// let now = Timestamp(1_800_000_000_000);
/// let ring = KeyRing::open(store, keys, settings, now).await?;
///
/// let (kid, signature) = ring.sign(b"header.payload", Duration::from_mins(15), now)?;
/// assert!(ring.verifying_key(&kid, now).await?.is_some());
/// assert!(ring.jwks(now)?.contains(&*kid));
/// # assert_eq!(signature.len(), 64);
/// # Ok::<(), bartizan::jwt::KeyRingError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    keys: Keys,
    settings: Settings,
    node: ArcSwap<Node>,
    /// How the store was last asked. One asks at a time; who waits looks at what the other has found.
    asked: Mutex<Asked>,
}

/// When the store was last asked, and whether it answered.
#[derive(Clone, Copy)]
struct Asked {
    at: Timestamp,
    failed: bool,
}

/// What a node works with: the ring as it was read, its keys opened and parsed.
struct Node {
    snapshot: Snapshot,
    version: Option<u64>,
    keys: HashMap<Box<str>, Opened>,
}

/// A key, ready for use. One that cannot be opened here verifies still, if it has a public part.
struct Opened {
    signing: Option<Arc<SigningKey>>,
    verifying: VerifyingKey,
}

/// Why a ring cannot be used or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The store.
    #[error("the key ring's store: {0}")]
    Store(#[from] StoreError),
    /// The store was so slow that what was planned is out of date.
    #[error(
        "the store took longer than {0:?} to write the key ring, so nothing was changed by this node; see why it is slow"
    )]
    Slow(Duration),
    /// What is kept is no ring.
    #[error("what the store keeps as the key ring is none: {0}")]
    Document(#[from] DocumentError),
    /// A key of it.
    #[error("the key {kid} of the ring: {fault}")]
    Key {
        /// Which.
        kid: Box<str>,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// A key that cannot be made.
    #[error(transparent)]
    Made(#[from] KeyFault),
    /// A key of it cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The ring does not take what it is given.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// Nothing to rotate to.
    #[error(transparent)]
    NoStandby(#[from] NoStandby),
    /// No such key to revoke.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// It signs nothing now.
    #[error(transparent)]
    NotSigning(#[from] NotSigning),
    /// It was read too long ago.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// It could not be read a moment ago, and is not read again so soon.
    #[error(
        "the key ring could not be read a moment ago, so nothing is known of keys that are new; see why the store does not answer"
    )]
    Unanswered,
    /// Others were always first.
    #[error("{TRIES} times another node changed the key ring first; try again")]
    Contended,
}

impl KeyRing {
    /// Reads the ring that `store` keeps, and turns it; the first time, makes it.
    pub async fn open(
        store: Arc<dyn Store>,
        keys: Keys,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Self, KeyRingError> {
        let ring = Self::unread(store, keys, settings);
        ring.refresh(now).await?;
        Ok(ring)
    }

    /// As [`open`](Self::open), without reading it yet: it is stale until the first change or refresh. For whoever brings
    /// a key to a ring that may be empty, where that key signs at once ([`import`](Self::import)).
    pub fn unread(store: Arc<dyn Store>, keys: Keys, settings: Settings) -> Self {
        let node = Node {
            snapshot: Snapshot::new(Ring::default(), settings.clone(), Timestamp(0)),
            version: None,
            keys: HashMap::new(),
        };
        let node = ArcSwap::from_pointee(node);
        Self(Arc::new(Inner {
            store,
            keys,
            settings,
            node,
            asked: Mutex::new(Asked { at: Timestamp(0), failed: false }),
        }))
    }

    /// Reads the ring again and does what is due. To be done several times within [`Settings::jwks_max_age`], see
    /// [`refresh_every`](Self::refresh_every).
    pub async fn refresh(&self, now: Timestamp) -> Result<(), KeyRingError> {
        self.0.read(&mut *self.0.asked.lock().await, now).await
    }

    /// Reads the ring again from now on, [regularly](Self::refresh_every), until what this gives back is dropped. Runs on
    /// `runtime`, which needs its timer. A failure is logged when it begins and when it ends, and tried again soon.
    pub fn refresh_on(&self, runtime: &Handle) -> Refreshing {
        Refreshing::begin(self.clone(), runtime)
    }

    /// How often to [`refresh`](Self::refresh): five times within the time for which a ring may be relied on.
    pub fn refresh_every(&self) -> Duration {
        self.0.settings.jwks_max_age() / 5
    }

    /// Lets the standby take over now, without anybody noticing.
    pub async fn rotate(&self, now: Timestamp) -> Result<(), KeyRingError> {
        self.change(now, |ring| Ok(ring.rotate_now(&self.0.settings, now)?)).await
    }

    /// Changes the ring by a function of it, which is called again where another node was first.
    pub(super) async fn change(
        &self,
        now: Timestamp,
        change: impl FnMut(Ring) -> Result<Ring, KeyRingError>,
    ) -> Result<(), KeyRingError> {
        let _asked = self.0.asked.lock().await;
        self.0.change(now, change).await
    }

    /// The ring, as it was last read.
    pub fn ring(&self) -> Ring {
        self.0.node.load().snapshot.ring().clone()
    }

    /// What it turns by.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Seals a key for this ring.
    pub(super) fn seal(&self, kid: &str, key: &SigningKey) -> Result<Vec<u8>, KeyRingError> {
        material::seal_key(&self.0.keys, kid, key)
    }

    /// The key that signs tokens which live for `lifetime`, and the signature that `message` gets of it, where the message
    /// names that key already: see [`signer`](Self::signer).
    pub fn sign(
        &self,
        message: &[u8],
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<(Box<str>, Vec<u8>), KeyRingError> {
        let (kid, key) = self.signer(lifetime, now)?;
        Ok((kid, key.sign(message)?))
    }

    /// The key that signs tokens which live for `lifetime`, and its `kid`.
    pub fn signer(
        &self,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<(Box<str>, Arc<SigningKey>), KeyRingError> {
        let node = self.0.node.load();
        let key = node.snapshot.signer(lifetime, now)?;
        let opened = node.keys.get(key.kid()).and_then(|opened| opened.signing.clone());
        Ok((key.kid().into(), opened.ok_or(SealError::Foreign)?))
    }

    /// The key that verifies tokens of `kid`. About one that it does not know a node asks the store, not more often than
    /// every few seconds; `None` is then the store's answer.
    pub async fn verifying_key(
        &self,
        kid: &str,
        now: Timestamp,
    ) -> Result<Option<VerifyingKey>, KeyRingError> {
        if let Some(key) = self.known_key(kid, now)? {
            return Ok(Some(key));
        }
        let mut asked = self.0.asked.lock().await;
        if now.since(asked.at) >= COOLDOWN {
            self.0.read(&mut asked, now).await?;
        } else if asked.failed {
            return Err(KeyRingError::Unanswered);
        }
        Ok(self.known_key(kid, now)?)
    }

    /// The key that verifies tokens of `kid`, where this node knows it.
    pub(super) fn known_key(&self, kid: &str, now: Timestamp) -> Result<Option<VerifyingKey>, Stale> {
        self.0.node.load().verifying_key(kid, now)
    }

    /// The keys of applications that moved here, whose tokens may name none: those of this algorithm.
    pub fn legacy_keys(
        &self,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Vec<VerifyingKey>, KeyRingError> {
        let node = self.0.node.load();
        let legacy = node.snapshot.verifiers(now)?.filter(|key| key.legacy() && key.algorithm() == algorithm);
        Ok(legacy.filter_map(|key| Some(node.keys.get(key.kid())?.verifying.clone())).collect())
    }

    /// The public keys, as a JWK set (RFC 7517 §5), to be served with a `max-age` of [`Settings::jwks_max_age`]. Secrets
    /// are never in it: they have no public part.
    pub fn jwks(&self, now: Timestamp) -> Result<String, KeyRingError> {
        Ok(format!(r#"{{"keys":[{}]}}"#, self.public_keys(now)?.join(",")))
    }

    /// The public keys of that set, each a JWK (RFC 7517 §4).
    pub fn public_keys(&self, now: Timestamp) -> Result<Vec<Box<str>>, KeyRingError> {
        let node = self.0.node.load();
        Ok(node.snapshot.published(now)?.filter_map(RingKey::public).map(Into::into).collect())
    }
}

impl Inner {
    /// Reads the ring, and does what is due.
    async fn read(&self, asked: &mut Asked, now: Timestamp) -> Result<(), KeyRingError> {
        *asked = Asked { at: now, failed: true };
        self.change(now, Ok).await?;
        asked.failed = false;
        Ok(())
    }

    /// Reads, changes, plans, and writes where there is something to write, until it was the first to.
    async fn change(
        &self,
        now: Timestamp,
        mut change: impl FnMut(Ring) -> Result<Ring, KeyRingError>,
    ) -> Result<(), KeyRingError> {
        for _ in 0..TRIES {
            let document = self.store.document(DocumentName::KEY_RING).await?;
            let (version, read) = parse(document)?;
            let changed = change(read.clone())?;
            let plan = plan(&changed, &self.settings, now);
            let turned = if plan.is_empty() { changed } else { self.carry_out(&plan, &changed).await? };
            if turned == read {
                return self.adopt(version, turned, now);
            }
            // What was planned counts from `now`: one that is written much later would come too early for others.
            let patience = self.settings.skew();
            let write = self.store.replace_document(DocumentName::KEY_RING, version, turned.to_json());
            let written = tokio::time::timeout(patience, write).await;
            if written.map_err(|_| KeyRingError::Slow(patience))?? {
                return self.adopt(Some(version.map_or(1, |version| version + 1)), turned, now);
            }
        }
        Err(KeyRingError::Contended)
    }

    /// Makes the keys of a plan, on a thread for such work: RSA takes its time.
    async fn carry_out(&self, plan: &Plan, ring: &Ring) -> Result<Ring, KeyRingError> {
        let mut made = Vec::with_capacity(plan.generate.len());
        for new in &plan.generate {
            let (keys, algorithm) = (self.keys.clone(), new.algorithm);
            let making = tokio::task::spawn_blocking(move || material::make(&keys, algorithm));
            made.push(making.await.map_err(|_| KeyFault::System(algorithm))??);
        }
        Ok(ring.apply(plan, made)?)
    }

    /// Works with `ring` from now on. Keys that were opened before are not opened again.
    fn adopt(&self, version: Option<u64>, ring: Ring, read: Timestamp) -> Result<(), KeyRingError> {
        let before = self.node.load();
        let mut keys = HashMap::with_capacity(ring.keys().len());
        for key in ring.keys() {
            let known = before.keys.get(key.kid()).map(|opened| Opened {
                signing: opened.signing.clone(),
                verifying: opened.verifying.clone(),
            });
            let opened = match known {
                Some(known) => Some(known),
                None => open(&self.keys, key)?,
            };
            keys.extend(opened.map(|opened| (key.kid().into(), opened)));
        }
        let snapshot = Snapshot::new(ring, self.settings.clone(), read);
        self.node.store(Arc::new(Node { snapshot, version, keys }));
        Ok(())
    }
}

impl Node {
    fn verifying_key(&self, kid: &str, now: Timestamp) -> Result<Option<VerifyingKey>, Stale> {
        let key = self.snapshot.verifier(kid, now)?;
        Ok(key.and_then(|key| Some(self.keys.get(key.kid())?.verifying.clone())))
    }
}

fn parse(document: Option<Document>) -> Result<(Option<u64>, Ring), KeyRingError> {
    match document {
        None => Ok((None, Ring::default())),
        Some(Document { version, body }) => Ok((Some(version), Ring::from_json(&body)?)),
    }
}

/// Opens a key. One whose master key is lacking verifies by its public part; without any it is left out, and logged.
fn open(keys: &Keys, key: &RingKey) -> Result<Option<Opened>, KeyRingError> {
    let at = |fault| KeyRingError::Key { kid: key.kid().into(), fault };
    let signing = match key.sealed() {
        None => None,
        Some(sealed) => match material::open_key(keys, key.kid(), key.algorithm(), sealed) {
            Ok(opened) => Some(Arc::new(opened)),
            Err(error) => {
                tracing::error!(target: "bartizan::key_ring", kid = key.kid(), %error, "a key of the ring cannot be opened");
                None
            }
        },
    };
    let verifying = match (key.public(), &signing) {
        (Some(public), _) => {
            verifying_key(&material::parse_public(key.kid(), public).map_err(at)?).map_err(at)?
        }
        (None, Some(signing)) => signing.verifying_key().map_err(at)?,
        (None, None) => return Ok(None),
    };
    let verifying = verifying.revocable_as(TokenDigest::of_kid(key.kid()));
    let verifying = if key.legacy() { verifying.with_legacy_tokens() } else { verifying };
    Ok(Some(Opened { signing, verifying }))
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("version", &self.0.node.load().version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
