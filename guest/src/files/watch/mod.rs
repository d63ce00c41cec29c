//! watch: what changes at a path, one line of JSON for each change. The lines are the stream's data, so its credit bounds
//! them: a host that does not read leaves the events in the kernel's queue, which ends in one `overflow`.

mod lines;
mod tree;

use super::path::SafePath;
use super::resolve::{refuse_special, Root};
use super::write;
use crate::agent::core::Core;
use crate::agent::streams::{Flow, Op, Progress, Reply};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::clock::MS;
use crate::error::{OpError, OpResult};
use crate::limits::MOVE_PATIENCE_MS;
use crate::poll::Token;
use crate::request;
use lines::Lines;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader};
use rustix::io::{self, Errno};
use std::mem::MaybeUninit;
use tree::Tree;

pub struct Watch {
    inotify: OwnedFd,
    tree: Tree,
    lines: Lines,
    moved: Option<Moved>,
    alarm: Option<u64>,
    readable: bool,
    announced: bool,
    over: bool,
}

/// The first half of a rename; the second follows at once if it is in the watched tree.
struct Moved {
    /// Monotonic time until which the second half is waited for; none while the first was only just read.
    until: Option<u64>,
    cookie: u32,
    name: Vec<u8>,
    directory: bool,
}

struct Event {
    wd: i32,
    flags: ReadFlags,
    cookie: u32,
    name: Vec<u8>,
}

pub fn watch(core: &mut Core, stream: u32, json: &[u8]) -> OpResult<Reply> {
    let request: request::Watch = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let (_, stat) = core.root.handle(&path, true)?;
    refuse_special(&stat, path.as_str())?;
    let fail = |errno| OpError::sys(errno, path.as_str());
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(fail)?;
    core.poller.add_readable(&inotify, Token::Watch(stream)).map_err(fail)?;
    Ok(Reply::Stream(Op::Watch(Box::new(Watch {
        inotify,
        lines: Lines::new(path.as_str()),
        tree: Tree::new(path.as_str(), request.recursive),
        moved: None,
        alarm: None,
        readable: false,
        announced: false,
        over: false,
    }))))
}

impl Watch {
    pub fn ready(&mut self) {
        self.readable = true;
    }

    /// When to come back for half a rename, told once.
    pub fn patience(&mut self) -> Option<u64> {
        std::mem::take(&mut self.alarm)
    }

    pub fn pump(&mut self, root: &Root, out: &mut Outbox, stream: u32, flow: &mut Flow, now: u64) -> Progress {
        if !self.lines.send(out, stream, flow) {
            // Credit wakes the stream, room for output does not.
            let blocked = flow.credit == 0;
            return if blocked { Progress::Idle } else { Progress::More };
        }
        if self.over {
            out.frame(Type::End, stream, b"");
            out.result(stream, b"{}");
            return Progress::Done;
        }
        if self.tree.has_unscanned() {
            return match self.tree.scan_one(root, &self.inotify, &mut self.lines, self.announced) {
                Ok(()) => Progress::More,
                Err(error) => {
                    out.frame(Type::Error, stream, &error.json());
                    Progress::Done
                }
            };
        }
        if !self.announced {
            self.announced = true;
            out.frame(Type::Event, stream, br#"{"event":"watching"}"#);
        }
        if !self.readable {
            return Progress::Idle;
        }
        match self.read() {
            Ok(events) => events.into_iter().for_each(|event| self.take(event)),
            Err(Errno::INTR) => {}
            Err(_) => {
                self.readable = false;
                self.await_move(now);
            }
        }
        Progress::More
    }

    /// One buffer of events.
    fn read(&self) -> io::Result<Vec<Event>> {
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let mut events = Vec::new();
        loop {
            let event = reader.next()?;
            events.push(Event {
                wd: event.wd(),
                flags: event.events(),
                cookie: event.cookie(),
                name: event.file_name().map_or_else(Vec::new, |name| name.to_bytes().to_vec()),
            });
            if reader.is_buffer_empty() {
                return Ok(events);
            }
        }
    }

    fn take(&mut self, event: Event) {
        let Event {
            wd,
            flags,
            cookie,
            name,
        } = event;
        let directory = flags.contains(ReadFlags::ISDIR);
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.lines.overflow();
        }
        if self.over {
            return;
        }
        if self.tree.is_base(wd) && flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED)
        {
            self.settle_move();
            self.lines.change("removed", b"", self.tree.base_is_directory());
            self.over = true;
            return;
        }
        if flags.contains(ReadFlags::IGNORED) {
            return self.tree.forget(wd);
        }
        // Before anything is named: what happens in a directory that has left the tree since is not of the tree.
        let second_half =
            flags.contains(ReadFlags::MOVED_TO) && self.moved.as_ref().map_or(false, |m| m.cookie == cookie);
        if !second_half {
            self.settle_move();
        }
        let name = match self.tree.name(wd, &name) {
            Some(name) => name,
            None => return,
        };
        if flags.contains(ReadFlags::MOVED_TO) {
            return self.arrived(name, directory);
        }
        if flags.contains(ReadFlags::MOVED_FROM) {
            self.moved = Some(Moved {
                until: None,
                cookie,
                name,
                directory,
            });
        } else if write::is_temporary(&name).is_some() {
            // The file API's own; what becomes of it is seen when it is renamed.
        } else if flags.contains(ReadFlags::CREATE) {
            self.appeared(name, directory);
        } else if flags.contains(ReadFlags::DELETE) {
            self.lines.change("removed", &name, directory);
        } else if flags.intersects(ReadFlags::MODIFY | ReadFlags::ATTRIB) {
            self.lines.change("modified", &name, directory);
        }
    }

    fn appeared(&mut self, name: Vec<u8>, directory: bool) {
        self.lines.change("created", &name, directory);
        if directory {
            self.tree.add(name, &mut self.lines);
        }
    }

    /// Something moved in: the second half of what is pending, or from outside the tree.
    fn arrived(&mut self, name: Vec<u8>, directory: bool) {
        match self.moved.take() {
            Some(from) => match write::is_temporary(&from.name) {
                Some(fresh) => {
                    let change = if fresh { "created" } else { "modified" };
                    self.lines.change(change, &name, directory);
                }
                None => {
                    self.lines.renamed(&from.name, &name, directory);
                    self.tree.renamed(&from.name, &name);
                }
            },
            None => self.appeared(name, directory),
        }
    }

    /// Nothing more for now. The kernel queues the halves of a rename one after the other, and the agent may be woken in
    /// between: only after a while the second half is not coming.
    fn await_move(&mut self, now: u64) {
        match &mut self.moved {
            Some(Moved { until: Some(until), .. }) if *until <= now => self.settle_move(),
            Some(moved) if moved.until.is_none() => {
                let until = now + MOVE_PATIENCE_MS * MS;
                moved.until = Some(until);
                self.alarm = Some(until);
            }
            _ => {}
        }
    }

    /// What was moved out of the tree is gone from it.
    fn settle_move(&mut self) {
        if let Some(Moved { name, directory, .. }) = self.moved.take() {
            if write::is_temporary(&name).is_none() {
                self.lines.change("removed", &name, directory);
            }
            if directory {
                self.tree.prune(&name, &self.inotify);
            }
        }
    }
}
