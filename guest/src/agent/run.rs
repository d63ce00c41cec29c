//! The loop: wait, read, act, answer. It blocks whenever there is nothing to do.

use super::core::Core;
use super::session::{self, State};
use crate::channel::decoder::{Decoder, Item};
use crate::clock::{self, MS};
use crate::egress;
use crate::exec::{linger, pressure, reap};
use crate::limits::OUTBOX_HARD;
use crate::poll::{self, Event, Token};
use crate::signals::Signals;
use rustix::event::epoll::EventVec;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};

/// The session of a host that is away for this long is forgotten. Not at once: the driver learns of connections from a
/// work queue and of data from an interrupt, so the first frames of a new connection can be read before, and even
/// answered around, the hang-up of the old one.
const PATIENCE_MS: i32 = 1_000;
/// How often the port is tried while nobody is there, in case the driver's wake-up was lost.
const AWAY_MS: i32 = 5_000;
/// Port reads in one turn; each brings at most a page from the virtio console.
const READS_PER_TURN: usize = 64;

pub struct Agent {
    pub core: Core,
    pub port: OwnedFd,
    pub signals: Signals,
    decoder: Decoder,
    state: State,
    port_readable: bool,
    link: Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    /// The driver reports a hang-up, since this time; the session is kept for `PATIENCE_MS`.
    Interrupted(u64),
    /// Nobody is there and there is no session.
    Away,
}

pub enum Exit {
    /// Asked for by `shutdown`.
    Shutdown,
    /// The inherited descriptor reached its end; a virtio port never does.
    Closed,
}

impl Agent {
    pub fn new(core: Core, port: OwnedFd, signals: Signals) -> io::Result<Agent> {
        core.poller.add_both(&port, Token::Port)?;
        core.poller.add_readable(&signals, Token::Signals)?;
        if let Some(guard) = &core.guard {
            core.poller.add_pressure(guard)?;
        }
        Ok(Agent {
            core,
            port,
            signals,
            decoder: Decoder::new(),
            state: State::Greeting,
            port_readable: true,
            link: Link::Away,
        })
    }

    pub fn run(&mut self) -> io::Result<Exit> {
        let mut events = EventVec::with_capacity(64);
        loop {
            self.core.poller.wait(&mut events, self.timeout())?;
            self.core.now = clock::now();
            if events.is_empty() && self.link != Link::Up {
                self.port_readable = true;
            }
            for event in events.iter() {
                self.handle(poll::read_event(event));
            }
            self.core.fire_timers();
            self.advance();
            if let Some(exit) = self.read_port() {
                return Ok(exit);
            }
            self.core.tidy();
            if self.core.stopping && self.core.out.pending() == 0 {
                return Ok(Exit::Shutdown);
            }
        }
    }

    fn timeout(&self) -> i32 {
        let can_send = self.core.out.has_room() && self.core.streams.has_turns();
        if can_send || (self.port_readable && self.may_read()) {
            return 0;
        }
        let timer = self.core.timers.wait_ms(self.core.now);
        let away = match self.link {
            Link::Up => return timer,
            Link::Interrupted(_) => PATIENCE_MS,
            Link::Away => AWAY_MS,
        };
        if timer < 0 {
            away
        } else {
            timer.min(away)
        }
    }

    fn may_read(&self) -> bool {
        self.core.out.pending() < OUTBOX_HARD
    }

    fn handle(&mut self, event: Event) {
        match event.token {
            Token::Port => {
                self.port_readable |= event.readable || event.hangup;
                if !event.hangup {
                    self.link = Link::Up;
                }
            }
            Token::Signals => {
                self.signals.drain();
                reap::reap(&mut self.core);
            }
            Token::Stdin(key) => self.core.resume_stdin(key),
            Token::Stdout(key) => self.core.source_ready(key, false, event),
            Token::Stderr(key) => self.core.source_ready(key, true, event),
            Token::Pressure => pressure::stalled(&mut self.core),
            Token::Linger(id) => linger::discard(&mut self.core, id),
            Token::Socket(stream) => self.core.socket_ready(stream, event),
            Token::Resolver => egress::query(&mut self.core),
            Token::Gateway => egress::knock(&mut self.core),
            Token::Watch(stream) => self.core.watch_ready(stream),
        }
    }

    fn advance(&mut self) {
        self.core.pump();
        if self.core.out.pending() > 0 && self.core.out.flush(&self.port).is_err() {
            self.hang_up();
        }
    }

    /// Reads until the port is empty, answering after every read: the read that finds it empty delays nobody.
    fn read_port(&mut self) -> Option<Exit> {
        for _ in 0..READS_PER_TURN {
            if !self.port_readable || !self.may_read() {
                return None;
            }
            match io::read(&self.port, self.decoder.spare()) {
                Ok(0) => {
                    self.port_readable = false;
                    self.hang_up();
                    return (!self.core.is_init).then_some(Exit::Closed);
                }
                Ok(count) => {
                    if self.link != Link::Up {
                        self.link = Link::Interrupted(self.core.now);
                    }
                    self.decoder.advance(count);
                    self.decode();
                    self.advance();
                }
                Err(Errno::AGAIN) => self.port_readable = false,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.port_readable = false;
                    self.hang_up();
                }
            }
        }
        None
    }

    fn decode(&mut self) {
        while let Some(item) = self.decoder.next() {
            match item {
                Item::Sync => {
                    // Also how a reconnection that was too quick for a hang-up is noticed.
                    self.core.end_session();
                    self.state = State::Greeting;
                }
                Item::Frame(header, range) => {
                    let payload = self.decoder.payload(range);
                    if session::frame(&mut self.core, &mut self.state, header, payload).is_err() {
                        crate::log!("protocol violation: a {:?} frame", header.kind);
                        self.decoder.lose_sync();
                        self.core.end_session();
                    }
                }
                Item::Violation(error) => {
                    crate::log!("protocol violation: {:?}", error);
                    self.core.end_session();
                }
            }
        }
    }

    fn hang_up(&mut self) {
        match self.link {
            Link::Up => {
                self.link = Link::Interrupted(self.core.now);
                self.decoder.interrupt();
            }
            Link::Interrupted(since) if self.core.now >= since + PATIENCE_MS as u64 * MS => {
                crate::debug!("the host is away");
                self.link = Link::Away;
                self.decoder.reset();
                self.core.end_session();
            }
            _ => {}
        }
    }
}
