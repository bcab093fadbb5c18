//! The keys that our tokens are signed with, and when each of them begins and ends: a ring that turns without downtime.
//!
//! A key is *pending* while it is published and does not sign, *active* while it signs, *verify-only* while tokens
//! that it signed are valid, and then *retired*; or *revoked*, at any point, for good. Nothing here reads a clock,
//! makes a key or stores one: [`plan()`] is a function of the ring, the settings and the time, and what comes of it is
//! written by compare-and-set. Of many nodes that plan the same thing at once, one writes it; the others read and plan
//! again.
//!
//! # What it relies on
//!
//! - Each clock, of a node or of another verifier, is at most [`skew`](KeyRingConfig::skew) off.
//! - A verifier keeps our JWK set for at most [`jwks_max_age`](KeyRingConfig::jwks_max_age), A for short.
//! - A node answers from a [`Snapshot`] that it read at most A ago, and then no longer: it neither signs, verifies nor
//!   publishes. So whatever is written has reached every node after A, and every verifier after 2 × A.
//! - A write that has not been answered within the skew after the time it was planned with is given up.
//!
//! # What it promises
//!
//! - A key has been published for 2 × A + 2 × skew ([`Settings::publication`]) before it signs: one skew for the clock
//!   of the node that planned it, one for the write. A second key stands ready at all times, published as long.
//! - Windows are absolute, and a node signs inside them by its own clock less the skew, so by true time too. Successive
//!   windows share 2 × skew, so that on each clock one key ends when the next begins.
//! - A key verifies until its window's end + the longest lifetime that a token may have + leeway + 2 × skew: the node
//!   that forgets it may be ahead by the skew, and the one that verifies behind. The longest lifetime is in the ring,
//!   and raised there before the first such token is made.
//! - A window of a key that may be signing is not ended before A + 3 × skew from now, when no node can still be working
//!   on a snapshot that has it longer.
//!
//! # Hard cases
//!
//! - **First start.** There is no ring, so no verifier knows any key of ours, and waiting would serve nobody. The
//!   first key signs at once: its window begins 3 × skew ago, inside which every node's clock agrees. The standby is
//!   made with it.
//! - **The active key is revoked.** The standby's window begins at once, in the same write; it has been published, so
//!   no verifier refuses it. A node that has not read this yet goes on signing with the revoked key for A at the most,
//!   for then its snapshot is too old; nodes that have read it accept none of its tokens, other verifiers after 2 × A.
//! - **The standby is revoked.** The active key's window grows to when a new standby will have been published, if it
//!   ends before. Verifiers know that key, so none notices.
//! - **Both are revoked,** or **nobody planned until every window had ended** (all nodes were off for a year). A new
//!   key signs at once. Waiting until it has been published would be safe for a verifier that does not ask again about
//!   a `kid` that it does not know: it refuses the new key's tokens for 2 × A at most. But it would get no token at
//!   all in that time, and nor would those that do ask again, and the nodes of the deployment. A key signs unpublished
//!   where otherwise none would sign, and nowhere else. Ended keys are not opened again: what has ended stays so.
//! - **Nobody planned until shortly before the end.** The active key's window grows until the new one is published.
//! - **`rotate_every` is lowered.** Windows are shortened, not below what is said above. Raised, it counts from the
//!   next key on: were windows lengthened too, two nodes with different settings would undo each other's changes for
//!   ever.
//! - **The algorithm is changed.** The next key has it, for the same reason. To have it sooner, rotate twice.
//! - **A longer token lifetime.** A node makes no token that lives longer than the ring says
//!   ([`NotSigning::Lifetime`]); [`plan()`] raises that first. It never falls: keys would be forgotten under tokens
//!   that others made.
//! - **A shorter `jwks_max_age`.** Verifiers may hold a set for the old one still. Only a rotation by command within
//!   that time would be early for them.
//! - **Import of a verify-only key.** It comes with the time at which the last token made with it ends.
//! - **Import of a signing key.** Into an empty ring it signs at once, for it is the one that verifiers know; else it
//!   stands behind the standby, since ours have to be published before them.
//! - **The clock of the planning node is off.** One that is ahead makes the standby earlier and forgets earlier, one
//!   that is behind dates keys before they are published. Both are in the skews above.
//! - **Settings with which this cannot work** are refused by [`Settings::new`].
//!
//! ```
//! use bartizan_core::{Timestamp, key_ring::{KeyRingConfig, Material, Ring, Settings, Snapshot, plan}};
//! use std::time::Duration;
//!
//! let settings = Settings::new(&KeyRingConfig::default()).unwrap();
//! let now = Timestamp(1_700_000_000_000);
//! let ring = Ring::default();
//! let plan = plan(&ring, &settings, now);
//! // Two keys are to be made: one that signs, and its standby.
//! let made = ["one", "two"].map(|kid| Material {
//!     kid: kid.into(),
//!     public: Some(r#"{"kty":"OKP"}"#.into()),
//!     sealed: (*b"what no store can read").into(),
//! });
//! let ring = ring.apply(&plan, made).unwrap();
//! let snapshot = Snapshot::new(ring, settings, now);
//! assert_eq!(snapshot.signer(Duration::from_mins(15), now).unwrap().kid(), "one");
//! assert_eq!(snapshot.published(now).unwrap().count(), 2);
//! ```

mod document;
mod import;
mod key;
mod plan;
mod revoke;
mod ring;
mod rotate;
mod settings;
mod snapshot;
mod timeline;
mod timetable;

#[cfg(test)]
mod fixture;

pub use document::{DocumentError, SCHEMA_VERSION};
pub use import::{Import, ImportUse};
pub use key::{KeyUse, LONGEST_KID, Material, NewKey, RingKey, Sealed, State, Window};
pub use plan::{Change, Plan, plan};
pub use revoke::RevokeError;
pub use ring::{Ring, RingError};
pub use rotate::NoStandby;
pub use settings::{KeyRingConfig, Settings, SettingsError};
pub use snapshot::{NotSigning, Snapshot, Stale};
pub use timeline::{Event, Happening, timeline};

pub(crate) use crate::jwt::Algorithm;
