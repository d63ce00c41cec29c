//! Credit of one stream, in both directions.

use crate::channel::outbox::Outbox;
use crate::limits::{CREDIT_LUMP, INITIAL_CREDIT};

pub struct Flow {
    /// Bytes the agent may still send.
    pub credit: u64,
    /// Bytes the host may still send.
    window: u64,
    /// Consumed bytes that the host has not been told about.
    freed: u64,
}

impl Flow {
    pub fn new() -> Flow {
        Flow {
            credit: INITIAL_CREDIT,
            window: INITIAL_CREDIT,
            freed: 0,
        }
    }

    /// Accounts for received data; false if the host had no right to send it.
    pub fn receive(&mut self, bytes: usize) -> bool {
        match self.window.checked_sub(bytes as u64) {
            Some(rest) => {
                self.window = rest;
                true
            }
            None => false,
        }
    }

    /// Allows `bytes` more right away.
    pub fn widen(&mut self, out: &mut Outbox, stream: u32, bytes: u64) {
        self.window += bytes;
        out.credit(stream, bytes);
    }

    /// Returns consumed bytes to the host, in lumps.
    pub fn free(&mut self, out: &mut Outbox, stream: u32, bytes: u64) {
        self.freed += bytes;
        if self.freed >= CREDIT_LUMP {
            let freed = std::mem::take(&mut self.freed);
            self.widen(out, stream, freed);
        }
    }

    pub fn grant(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(u64::from(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_never_exceeded_and_never_starves() {
        let mut out = Outbox::new();
        let mut flow = Flow::new();
        assert!(!flow.receive(INITIAL_CREDIT as usize + 1));
        for _ in 0..1_000 {
            assert!(flow.receive(50_000));
            flow.free(&mut out, 1, 50_000);
        }
    }
}
