//! Outputs that nobody waits for any more but that a background service still writes to.
//!
//! Closing them would kill the service with SIGPIPE at its next log line, so the agent reads and forgets.

use crate::agent::core::Core;
use crate::poll::Token;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use std::collections::BTreeMap;

const MOST: usize = 512;
const SCRATCH: usize = 16_384;

#[derive(Default)]
pub struct Lingering {
    map: BTreeMap<u32, OwnedFd>,
    last: u32,
}

pub fn keep(core: &mut Core, fd: OwnedFd) {
    let lingering = &mut core.lingering;
    if lingering.map.len() >= MOST {
        return;
    }
    lingering.last = lingering.last.wrapping_add(1);
    let token = Token::Linger(lingering.last);
    if core.poller.relabel_level(&fd, token).is_ok() {
        lingering.map.insert(lingering.last, fd);
    }
}

/// One read per turn: a flood costs its writer more than the agent.
pub fn discard(core: &mut Core, id: u32) {
    if let Some(fd) = core.lingering.map.get(&id) {
        let mut scratch = [0; SCRATCH];
        match io::read(fd, &mut scratch) {
            Ok(1..) | Err(Errno::AGAIN | Errno::INTR) => {}
            _ => {
                core.lingering.map.remove(&id);
            }
        }
    }
}
