//! What a gate has read and not passed on: a head that is not complete, a request that waits for its turn.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Room for most heads.
const ROOM: usize = 4096;

/// Bytes in order of arrival. The memory is kept and reused; `start..end` of it is filled.
#[derive(Default)]
pub(super) struct Inbox {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Appends `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        if let Some(room) = self.memory.get_mut(self.end..self.end + bytes.len()) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Puts `bytes` before all others.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.start {
            // They were taken from here a moment ago.
            self.start -= bytes.len();
        } else {
            let rest = self.bytes().to_vec();
            self.clear();
            self.push(bytes);
            self.push(&rest);
        }
    }

    /// Moves at most `limit` bytes to `buffer`, and says how many.
    pub(super) fn pass(&mut self, buffer: &mut ReadBuf<'_>, limit: usize) -> usize {
        let count = self.bytes().len().min(limit).min(buffer.remaining());
        buffer.put_slice(self.bytes().get(..count).unwrap_or_default());
        self.start += count;
        if self.start == self.end {
            self.clear();
        }
        count
    }

    /// Reads from `stream`, up to `max` bytes in all. 0 at its end.
    pub(super) fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        max: usize,
    ) -> Poll<io::Result<usize>> {
        if self.end == self.memory.len() {
            let filled = self.bytes().len();
            // Twice as much each time: a long head is copied a few times, not once per packet.
            self.make_room(filled.clamp(1, max.saturating_sub(filled).max(1)));
        }
        let mut room = ReadBuf::new(self.memory.get_mut(self.end..).unwrap_or_default());
        ready!(Pin::new(stream).poll_read(context, &mut room))?;
        let count = room.filled().len();
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Has room for `count` bytes behind the others.
    fn make_room(&mut self, count: usize) {
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end + count;
        if needed > self.memory.len() {
            self.memory.resize(needed.next_multiple_of(ROOM), 0);
        }
    }
}
