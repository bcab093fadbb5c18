//! The key ring turns 200 times on a driven clock, while nodes restart, read late, race, and are cut off.
//!
//! Three nodes sign and verify, and judge the times of tokens by the engine's rules; their clocks are off by up to a
//! minute either way. Four other verifiers know the keys from the JWK set alone: two ask again about a `kid` that they do
//! not know, two do not. Each token is verified right away, at some time in its life, and in its last millisecond by the
//! clock of whoever verifies it.
//!
//! `KEY_RING_SEED=7 cargo test -p bartizan-core --test key_ring_simulation` runs another seed.

#[path = "key_ring_simulation/chance.rs"]
mod chance;
#[path = "key_ring_simulation/node.rs"]
mod node;
#[path = "key_ring_simulation/token.rs"]
mod token;
#[path = "key_ring_simulation/verifier.rs"]
mod verifier;
#[path = "key_ring_simulation/world.rs"]
mod world;

use world::{Counts, World};

const ROTATIONS: u32 = 200;
const TOKENS: u32 = 100_000;
/// In steps; it takes about half of that.
const LONGEST: u32 = 120_000;

#[test]
fn two_hundred_rotations_refuse_no_valid_token_and_accept_nothing_of_a_revoked_key() {
    let seed = std::env::var("KEY_RING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
    println!("KEY_RING_SEED={seed}");
    let mut world = World::new(seed);
    let mut steps = 0;
    while world.counts.rotations <= ROTATIONS || world.counts.tokens < TOKENS {
        world.step();
        steps += 1;
        assert!(steps < LONGEST, "after {steps} steps only {:#?}", world.counts);
    }
    world.end();
    let Counts { tokens, rotations, .. } = world.counts;
    println!("{tokens} tokens, {rotations} rotations: {:#?}", world.counts);
    let counts = world.counts;
    // What is never met is not shown.
    for (what, often, at_least) in [
        ("tokens verified in their last millisecond", counts.last_milliseconds, 90_000),
        (
            "tokens accepted that were issued after the leeway, by the clock of the node",
            counts.accepted_early,
            1000,
        ),
        ("tokens accepted by other verifiers", counts.accepted_by_others, 90_000),
        ("tokens of revoked keys refused", counts.revoked_refused, 100),
        ("tokens signed with a key that the node did not know to be revoked", counts.revoked_signed, 1),
        ("writes lost to another node", counts.races_lost, 20),
        ("restarts", counts.restarts, 50),
        ("nodes that were cut off and stopped", counts.cut_off_stopped, 20),
        ("active keys revoked", counts.active_revoked, 5),
        ("standbys revoked", counts.standbys_revoked, 5),
        ("all keys revoked", counts.all_revoked, 2),
        ("rotations by command", counts.commands, 40),
        ("tokens that lived longer than at first", counts.longer_lived, 10_000),
    ] {
        assert!(often >= at_least, "{what}: {often}, and at least {at_least} were to be met");
    }
}
