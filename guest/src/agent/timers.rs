//! Deadlines. Keys of commands are never used twice, so a timer of something that is gone is simply ignored.

use crate::clock::MS;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    Timeout(u32),
    Kill(u32),
    GiveUp(u32),
    Drain(u32),
    /// The second half of a rename in the watch of this stream has not come.
    Moved(u32),
    /// This stream has something to do again.
    Turn(u32),
}

#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(u64, Due)>>,
}

impl Timers {
    pub fn add(&mut self, at: u64, due: Due) {
        self.heap.push(Reverse((at, due)));
    }

    pub fn pop(&mut self, now: u64) -> Option<Due> {
        match self.heap.peek() {
            Some(Reverse((at, _))) if *at <= now => self.heap.pop().map(|Reverse((_, due))| due),
            _ => None,
        }
    }

    /// Milliseconds until the next one, rounded up; -1 for none, as epoll wants it.
    pub fn wait_ms(&self, now: u64) -> i32 {
        match self.heap.peek() {
            Some(Reverse((at, _))) => {
                let ms = (at.saturating_sub(now) + MS - 1) / MS;
                ms.min(i32::MAX as u64) as i32
            }
            None => -1,
        }
    }

    /// Long-timeout commands that ended early leave entries behind; they are dropped when no command can need them.
    pub fn forget_commands(&mut self) {
        let all = std::mem::take(&mut self.heap).into_vec();
        self.heap = all
            .into_iter()
            .filter(|Reverse((_, due))| matches!(due, Due::Moved(_) | Due::Turn(_)))
            .collect();
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }
}
