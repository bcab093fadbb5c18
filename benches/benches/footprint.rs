//! How many bytes of memory an idle session takes in the store in memory, counted by the allocator. Prints
//! `{"session": 123}`.

use std::{alloc::System, time::Duration};

use bartizan_benches::at_once;
use bartizan_core::{
    Timestamp,
    session::{NewSession, SessionKey, SessionRecord},
};
use bartizan_store::{MemoryLimits, MemoryStore, Store as _};
use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const COUNT: u64 = 100_000;

/// Another subject's, each of 20 characters, with one scope.
fn session(number: u64) -> NewSession {
    let now = Timestamp(1_800_000_000_000);
    let record = SessionRecord::new(
        format!("user-{number:015}"),
        vec!["admin".into()],
        now,
        Duration::from_mins(30),
        Duration::from_hours(12),
    );
    NewSession { key: SessionKey::of(&number.to_be_bytes()), record, replaces: None, most: Some(10) }
}

fn main() {
    let store = MemoryStore::new(MemoryLimits::default());
    let before = ALLOCATOR.allocated();
    for number in 0..COUNT {
        at_once(store.begin(session(number))).expect("there is room");
    }
    let bytes = u64::try_from(ALLOCATOR.allocated() - before).expect("it fits");
    drop(store);
    println!("{{\"session\": {}}}", bytes.div_ceil(COUNT));
}
