//! Bytes towards a command. Credit goes back to the host as the command reads.

use crate::error::{Kind, OpError, OpResult};
use crate::limits::MAX_STDIN;
use crate::pending::Pending;
use crate::poll::{Poller, Token};
use rustix::fd::OwnedFd;

/// What a terminal takes as end of input.
const END_OF_TRANSMISSION: &[u8] = &[4];

pub struct Stdin {
    fd: OwnedFd,
    pending: Pending,
    ending: bool,
    terminal: bool,
    watched: bool,
}

/// Whether the descriptor is still wanted, and how many bytes of credit came free.
pub struct Step {
    pub open: bool,
    pub freed: u64,
}

impl Stdin {
    pub fn new(fd: OwnedFd, terminal: bool) -> Stdin {
        Stdin {
            fd,
            pending: Pending::default(),
            ending: false,
            terminal,
            watched: false,
        }
    }

    pub fn data(&mut self, poller: &Poller, key: u32, bytes: &[u8]) -> OpResult<Step> {
        if self.ending {
            return Err(OpError::new(Kind::Protocol, "data after the end of stdin"));
        }
        if self.pending.len() + bytes.len() > MAX_STDIN {
            return Err(OpError::new(Kind::Limit, "too much unread stdin"));
        }
        let waiting = self.pending.len();
        let sent = self.pending.send(&self.fd, bytes);
        Ok(self.after(poller, key, sent, waiting + bytes.len()))
    }

    pub fn end(&mut self, poller: &Poller, key: u32) -> Step {
        self.ending = true;
        self.resume(poller, key)
    }

    /// The pipe has room again.
    pub fn resume(&mut self, poller: &Poller, key: u32) -> Step {
        let waiting = self.pending.len();
        let sent = self.pending.drain(&self.fd);
        self.after(poller, key, sent, waiting)
    }

    fn after(&mut self, poller: &Poller, key: u32, sent: rustix::io::Result<usize>, offered: usize) -> Step {
        let freed = match sent {
            Ok(sent) => sent as u64,
            // EPIPE: the command closed its stdin. What it will not read counts as consumed.
            Err(_) => {
                return Step {
                    open: false,
                    freed: offered as u64,
                }
            }
        };
        if self.pending.len() > 0 {
            if !self.watched {
                self.watched = poller.add_writable(&self.fd, Token::Stdin(key)).is_ok();
            }
            return Step { open: true, freed };
        }
        if self.ending && self.terminal {
            let _ = rustix::io::write(&self.fd, END_OF_TRANSMISSION);
        }
        Step {
            open: !self.ending,
            freed,
        }
    }
}
