//! What waits to be written to the port: one contiguous run of bytes.
//!
//! Contiguous because the virtio console driver turns every buffer it is handed into one descriptor and one
//! notification; header and payload in one write are one notification. Producers ask `has_room` first.

use super::frame::{Header, Type};
use super::sync::SYNC;
use crate::limits::{HEADER_BYTES, MAX_PAYLOAD, OUTBOX_SOFT};
use rustix::fd::AsFd;
use rustix::io::{self, Errno};
use std::mem::MaybeUninit;

/// Capacity that survives a burst; more is returned to the kernel once it is sent.
const KEEP_CAPACITY: usize = 2 * OUTBOX_SOFT;

pub struct Outbox {
    buf: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox {
            buf: Vec::with_capacity(64 * 1024),
            sent: 0,
        }
    }

    pub fn pending(&self) -> usize {
        self.buf.len() - self.sent
    }

    pub fn has_room(&self) -> bool {
        self.pending() < OUTBOX_SOFT
    }

    pub fn clear(&mut self) {
        self.buf.clear();
        self.sent = 0;
        if self.buf.capacity() > KEEP_CAPACITY {
            self.buf = Vec::new();
        }
    }

    pub fn sync(&mut self) {
        self.buf.extend_from_slice(&SYNC);
    }

    pub fn frame(&mut self, kind: Type, stream: u32, payload: &[u8]) {
        self.part(kind, false, stream, payload);
    }

    /// A RESULT of any permitted size, cut with MORE.
    pub fn result(&mut self, stream: u32, json: &[u8]) {
        let mut rest = json;
        while rest.len() > MAX_PAYLOAD {
            let (head, tail) = rest.split_at(MAX_PAYLOAD);
            self.part(Type::Result, true, stream, head);
            rest = tail;
        }
        self.part(Type::Result, false, stream, rest);
    }

    pub fn credit(&mut self, stream: u32, bytes: u64) {
        let bytes = bytes.min(u64::from(u32::MAX)) as u32;
        self.frame(Type::Credit, stream, &bytes.to_le_bytes());
    }

    /// Lets `read` put up to `max` bytes straight into a frame; nothing is added when it fails or yields nothing.
    pub fn fill<F>(&mut self, kind: Type, stream: u32, max: usize, read: F) -> io::Result<usize>
    where
        F: FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
    {
        self.buf.reserve(HEADER_BYTES + max);
        let at = self.buf.len();
        self.buf.extend_from_slice(&[0; HEADER_BYTES]);
        let outcome = read(&mut self.buf.spare_capacity_mut()[..max]);
        match outcome {
            Ok(count) if count > 0 => {
                let count = count.min(max);
                self.buf[at..at + HEADER_BYTES].copy_from_slice(&Header::encode(kind, false, stream, count));
                // SAFETY: `read` reports how many bytes of the reserved space it has initialised.
                unsafe { self.buf.set_len(at + HEADER_BYTES + count) };
                Ok(count)
            }
            other => {
                self.buf.truncate(at);
                other
            }
        }
    }

    /// Writes until everything is gone or the port is full.
    pub fn flush<Fd: AsFd>(&mut self, port: Fd) -> io::Result<()> {
        while self.sent < self.buf.len() {
            match io::write(&port, &self.buf[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.compact();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.clear();
        Ok(())
    }

    /// Drops the sent part when it outweighs the rest, so that the move is cheap on average.
    fn compact(&mut self) {
        if self.sent >= self.pending() {
            self.buf.copy_within(self.sent.., 0);
            self.buf.truncate(self.pending());
            self.sent = 0;
        }
    }

    fn part(&mut self, kind: Type, more: bool, stream: u32, payload: &[u8]) {
        self.buf
            .extend_from_slice(&Header::encode(kind, more, stream, payload.len()));
        self.buf.extend_from_slice(payload);
    }

    #[cfg(test)]
    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.sent..]
    }
}
