//! One cgroup per command, below one for all commands.
//!
//! Making and removing cgroups is slow, so empty ones are kept and used again; which counters matter is remembered per use.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io;
use std::cell::Cell;

const KEEP_FREE: usize = 4;

pub struct Cgroup {
    dir: OwnedFd,
    /// memory.events, where the memory controller is on.
    events: Option<OwnedFd>,
    number: u32,
    oom_before: u64,
    /// `cgroup.kill` was used. Linux 6.12 then kills everything that clone3 places in this cgroup, for ever: it compares
    /// the kill counter of the target with that of the parent's own cgroup. Such a cgroup is not used again.
    spent: Cell<bool>,
}

#[derive(Default)]
pub struct Cgroups {
    parent: Option<OwnedFd>,
    free: Vec<Cgroup>,
    occupied: Vec<Cgroup>,
    made: u32,
    /// Something came back or emptied since the last `tidy`.
    changed: bool,
}

impl Cgroups {
    pub fn new(parent: Option<OwnedFd>) -> Cgroups {
        Cgroups {
            parent,
            changed: true,
            ..Cgroups::default()
        }
    }

    pub fn parent(&self) -> Option<BorrowedFd<'_>> {
        self.parent.as_ref().map(|fd| fd.as_fd())
    }

    /// An empty cgroup; `None` where the machine has no cgroup2.
    pub fn take(&mut self) -> Option<Cgroup> {
        self.free.pop().or_else(|| self.make())
    }

    /// Takes back the cgroup of a command that has ended. Whatever still lives in it keeps it occupied.
    pub fn give_back(&mut self, cgroup: Cgroup) {
        self.occupied.push(cgroup);
        self.changed = true;
    }

    /// Sorts out returned cgroups and makes sure that the next command finds one ready. Not on any command's path.
    pub fn tidy(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let (empty, occupied): (Vec<_>, Vec<_>) = self.occupied.drain(..).partition(|cgroup| !cgroup.is_populated());
        self.occupied = occupied;
        for mut cgroup in empty {
            if self.free.len() < KEEP_FREE && !cgroup.spent.get() {
                cgroup.oom_before = cgroup.oom_kills();
                self.free.push(cgroup);
            } else {
                self.discard(cgroup);
            }
        }
        if self.free.is_empty() {
            let spare = self.make();
            self.free.extend(spare);
        }
    }

    /// Of the cgroups whose command has ended, the one that still holds most memory.
    pub fn largest_occupied(&self) -> Option<&Cgroup> {
        self.occupied.iter().max_by_key(|cgroup| cgroup.memory())
    }

    /// An orphan was reaped: an occupied cgroup may be empty now.
    pub fn something_ended(&mut self) {
        self.changed |= !self.occupied.is_empty();
    }

    fn make(&mut self) -> Option<Cgroup> {
        let parent = self.parent.as_ref()?;
        self.made += 1;
        let name = dir_name(self.made);
        rustix::fs::mkdirat(parent, name.as_str(), Mode::from_raw_mode(0o755)).ok()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(parent, name.as_str(), flags, Mode::empty()).ok()?;
        let events = open_at(&dir, "memory.events", OFlags::RDONLY).ok();
        Some(Cgroup {
            dir,
            events,
            number: self.made,
            oom_before: 0,
            spent: Cell::new(false),
        })
    }

    fn discard(&self, cgroup: Cgroup) {
        if let Some(parent) = &self.parent {
            let name = dir_name(cgroup.number);
            let _ = rustix::fs::unlinkat(parent, name.as_str(), AtFlags::REMOVEDIR);
        }
    }
}

impl Cgroup {
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// For a child that joins by itself.
    pub fn open_procs(&self) -> io::Result<OwnedFd> {
        open_at(&self.dir, "cgroup.procs", OFlags::WRONLY)
    }

    /// SIGKILL for everything inside, however it forked.
    pub fn kill(&self) -> bool {
        self.spent.set(true);
        open_at(&self.dir, "cgroup.kill", OFlags::WRONLY)
            .and_then(|fd| io::write(fd, b"1"))
            .is_ok()
    }

    /// Bytes charged to everything inside.
    pub fn memory(&self) -> u64 {
        let text = read_small(&self.dir, "memory.current", 64);
        text.trim().parse().unwrap_or(0)
    }

    /// Any other signal, to each process that is inside right now; whether `wanted` was among them.
    pub fn signal(&self, signal: i32, wanted: i32) -> bool {
        let text = read_small(&self.dir, "cgroup.procs", 1 << 20);
        let mut met = false;
        for pid in text.lines().filter_map(|line| line.parse::<i32>().ok()) {
            if pid > 1 {
                // SAFETY: kill takes two integers.
                unsafe { libc::kill(pid, signal) };
                met |= pid == wanted;
            }
        }
        met
    }

    /// Whether the kernel killed something in here for memory since this use began.
    pub fn was_oom_killed(&self) -> bool {
        self.oom_kills() > self.oom_before
    }

    fn oom_kills(&self) -> u64 {
        let fd = match &self.events {
            Some(fd) => fd,
            None => return 0,
        };
        let mut buf = [0; 512];
        let length = io::pread(fd, &mut buf, 0).unwrap_or(0);
        let text = std::str::from_utf8(&buf[..length]).unwrap_or("");
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }

    fn is_populated(&self) -> bool {
        read_small(&self.dir, "cgroup.events", 256).contains("populated 1")
    }
}

/// Reads a cgroup file whole; missing is empty.
pub fn read_small(dir: impl AsFd, name: &str, max: usize) -> String {
    let mut text = Vec::new();
    if let Ok(fd) = open_at(dir, name, OFlags::RDONLY) {
        let mut buf = [0; 4096];
        while let Ok(count @ 1..) = io::read(&fd, &mut buf) {
            text.extend_from_slice(&buf[..count]);
            if text.len() >= max {
                break;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A figure of `memory.stat`; zero where the kernel has none of that name.
pub fn stat_value(stat: &str, name: &str) -> u64 {
    let found = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub fn open_at(dir: impl AsFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty())
}

fn dir_name(number: u32) -> String {
    format!("c{}", number)
}
