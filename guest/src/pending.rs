//! Bytes on their way into a pipe or socket that was full. Bounded by the credit given for them.

use rustix::fd::AsFd;
use rustix::io::{self, Errno};

#[derive(Default)]
pub struct Pending {
    buf: Vec<u8>,
    at: usize,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.buf.len() - self.at
    }

    /// Writes `bytes` after what already waits, keeping what does not fit; returns how much left the agent.
    pub fn send<Fd: AsFd>(&mut self, fd: Fd, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = self.drain(&fd)?;
        let mut rest = bytes;
        if self.len() == 0 {
            let direct = write_all(&fd, rest)?;
            rest = &rest[direct..];
            sent += direct;
        }
        self.buf.extend_from_slice(rest);
        Ok(sent)
    }

    /// Keeps `bytes` for later; nothing is sent.
    pub fn hold(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buf.extend_from_slice(bytes);
        Ok(0)
    }

    pub fn drain<Fd: AsFd>(&mut self, fd: Fd) -> io::Result<usize> {
        if self.len() == 0 {
            return Ok(0);
        }
        let sent = write_all(fd, &self.buf[self.at..])?;
        self.at += sent;
        if self.len() == 0 {
            self.buf.clear();
            self.at = 0;
        } else if self.at > 65_536 {
            self.buf.drain(..self.at);
            self.at = 0;
        }
        Ok(sent)
    }
}

fn write_all<Fd: AsFd>(fd: Fd, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match io::write(&fd, &bytes[sent..]) {
            Ok(count) => sent += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
