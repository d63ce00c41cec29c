//! Cuts the byte stream of the port into frames, in place.
//!
//! The buffer is allocated once and holds one largest frame: a declared length never allocates anything.

use super::frame::{FrameError, Header, MAGIC};
use super::sync::{Hunter, SYNC};
use crate::limits::{HEADER_BYTES, MAX_PAYLOAD};
use std::ops::Range;

const CAPACITY: usize = HEADER_BYTES + MAX_PAYLOAD + 65_536;
/// A read into less space than this is not worth a system call; the unread tail is moved to the front first.
const MIN_SPARE: usize = 4_096;

#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A new session begins here.
    Sync,
    Frame(Header, Range<usize>),
    /// The host broke a rule; everything up to the next SYNC is skipped.
    Violation(FrameError),
}

pub struct Decoder {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    hunting: Option<Hunter>,
    /// The connection was interrupted inside a frame; a read that begins with SYNC is then a new session.
    interrupted: bool,
}

impl Decoder {
    /// A new decoder is out of sync: the first thing it accepts is SYNC.
    pub fn new() -> Decoder {
        Decoder {
            buf: vec![0; CAPACITY].into_boxed_slice(),
            start: 0,
            end: 0,
            hunting: Some(Hunter::default()),
            interrupted: false,
        }
    }

    /// Where the next bytes of the port go; follow with `advance`.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.buf.len() - self.end < MIN_SPARE {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buf[self.end..]
    }

    pub fn advance(&mut self, count: usize) {
        if self.interrupted {
            self.interrupted = false;
            // What one end writes never shares a read with what another wrote before it.
            if self.buf[self.end..self.end + count].starts_with(&SYNC) {
                self.start = self.end;
                self.hunting = None;
            }
        }
        self.end += count;
    }

    /// The connection was interrupted. Whether the rest of an unfinished frame still comes is for the next read to tell.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.buf[range]
    }

    /// Drops what was read and waits for SYNC.
    pub fn lose_sync(&mut self) {
        self.hunting = Some(Hunter::default());
    }

    /// Forgets everything: the connection is gone.
    pub fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
        self.lose_sync();
    }

    pub fn next(&mut self) -> Option<Item> {
        if let Some(hunter) = &mut self.hunting {
            let (used, found) = hunter.feed(&self.buf[self.start..self.end]);
            self.start += used;
            if !found {
                return None;
            }
            self.hunting = None;
            return Some(Item::Sync);
        }
        let ready = &self.buf[self.start..self.end];
        if ready.is_empty() {
            return None;
        }
        if ready[0] == SYNC[0] {
            return self.next_sync();
        }
        if ready[0] != MAGIC {
            self.lose_sync();
            return Some(Item::Violation(FrameError::BadMagic));
        }
        if ready.len() < HEADER_BYTES {
            return None;
        }
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&ready[..HEADER_BYTES]);
        match Header::parse(&bytes) {
            Err(error) => {
                self.lose_sync();
                Some(Item::Violation(error))
            }
            Ok(header) if ready.len() >= HEADER_BYTES + header.length => {
                let from = self.start + HEADER_BYTES;
                self.start = from + header.length;
                Some(Item::Frame(header, from..from + header.length))
            }
            Ok(_) => None,
        }
    }

    fn next_sync(&mut self) -> Option<Item> {
        let ready = &self.buf[self.start..self.end];
        let known = ready.len().min(SYNC.len());
        if ready[..known] != SYNC[..known] {
            self.lose_sync();
            return Some(Item::Violation(FrameError::BadSync));
        }
        if known < SYNC.len() {
            return None;
        }
        self.start += SYNC.len();
        Some(Item::Sync)
    }
}
