//! epoll with typed tokens. Everything is edge-triggered: a port or pipe whose peer is gone reports it once, not for ever.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags, EventVec};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{self, Errno};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Port,
    Signals,
    Stdin(u32),
    Stdout(u32),
    Stderr(u32),
    Linger(u32),
    Socket(u32),
    Watch(u32),
    Pressure,
    Resolver,
    Gateway,
}

impl Token {
    fn pack(self) -> u64 {
        let (kind, id) = match self {
            Token::Port => (0, 0),
            Token::Signals => (1, 0),
            Token::Stdin(id) => (2, id),
            Token::Stdout(id) => (3, id),
            Token::Stderr(id) => (4, id),
            Token::Linger(id) => (5, id),
            Token::Socket(id) => (6, id),
            Token::Pressure => (7, 0),
            Token::Resolver => (8, 0),
            Token::Gateway => (9, 0),
            Token::Watch(id) => (10, id),
        };
        (kind << 32) | u64::from(id)
    }

    fn unpack(word: u64) -> Token {
        let id = word as u32;
        match word >> 32 {
            0 => Token::Port,
            1 => Token::Signals,
            2 => Token::Stdin(id),
            3 => Token::Stdout(id),
            4 => Token::Stderr(id),
            5 => Token::Linger(id),
            6 => Token::Socket(id),
            8 => Token::Resolver,
            9 => Token::Gateway,
            10 => Token::Watch(id),
            _ => Token::Pressure,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub token: Token,
    pub readable: bool,
    pub writable: bool,
    pub hangup: bool,
}

pub struct Poller {
    fd: OwnedFd,
}

impl Poller {
    pub fn new() -> io::Result<Poller> {
        Ok(Poller {
            fd: epoll::create(CreateFlags::CLOEXEC)?,
        })
    }

    pub fn add_readable(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        self.add(source, token, EventFlags::IN | EventFlags::ET)
    }

    pub fn add_writable(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        self.add(source, token, EventFlags::OUT | EventFlags::ET)
    }

    pub fn add_both(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        self.add(source, token, flags)
    }

    /// Level-triggered, for readers that take a bounded number at a time.
    pub fn add_level(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        self.add(source, token, EventFlags::IN)
    }

    /// Level-triggered: asking the kernel for a pressure event consumes it.
    pub fn add_pressure(&self, source: impl AsFd) -> io::Result<()> {
        self.add(source, Token::Pressure, EventFlags::PRI)
    }

    /// Turns an edge-triggered source into a level-triggered one, for readers that do not read to the end.
    pub fn relabel_level(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        let data = EventData::new_u64(token.pack());
        epoll::modify(&self.fd, source, data, EventFlags::IN)
    }

    pub fn wait(&self, events: &mut EventVec, timeout_ms: i32) -> io::Result<()> {
        match epoll::wait(&self.fd, events, timeout_ms) {
            Err(Errno::INTR) => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn add(&self, source: impl AsFd, token: Token, flags: EventFlags) -> io::Result<()> {
        epoll::add(&self.fd, source, EventData::new_u64(token.pack()), flags)
    }
}

pub fn read_event(event: epoll::Event) -> Event {
    let data = event.data;
    let flags = event.flags;
    Event {
        token: Token::unpack(data.u64()),
        readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
        writable: flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR),
        hangup: flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP),
    }
}
