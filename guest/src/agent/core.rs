//! Everything the agent knows, apart from the port and its decoder.

use super::streams::{Op, Progress, Streams};
use super::timers::{Due, Timers};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::clock::MS;
use crate::egress::{self, Egress};
use crate::error::OpError;
use crate::exec::cgroup::Cgroups;
use crate::exec::linger::Lingering;
use crate::exec::pressure::Guard;
use crate::exec::process::Process;
use crate::exec::spawn::Spawner;
use crate::exec::table::Table;
use crate::exec::users::Users;
use crate::exec::{output, timeout};
use crate::files::resolve::Root;
use crate::freeze::Freezer;
use crate::memory::{self, Allowance};
use crate::poll::Poller;
use crate::shares::Shares;
use std::collections::BTreeMap;

pub struct Core {
    pub out: Outbox,
    pub streams: Streams,
    pub commands: Table,
    pub cgroups: Cgroups,
    pub spawner: Spawner,
    pub lingering: Lingering,
    pub users: Users,
    pub root: Root,
    pub freezer: Freezer,
    pub egress: Egress,
    pub shares: Shares,
    pub poller: Poller,
    pub allowance: Allowance,
    pub guard: Option<Guard>,
    pub timers: Timers,
    /// Variables that RESUME brought.
    pub base_env: BTreeMap<String, String>,
    /// Monotonic time at the start of this turn of the loop.
    pub now: u64,
    /// `shutdown` was answered; power off once the answer is out.
    pub stopping: bool,
    /// Real entropy, clock and host name are only touched in a machine of the agent's own.
    pub is_init: bool,
}

impl Core {
    pub fn wake_command(&mut self, key: u32) {
        let stream = self.commands.get_mut(key).and_then(|process| process.stream);
        if let Some(stream) = stream {
            self.streams.wake(stream);
        }
    }

    pub fn fail(&mut self, stream: u32, error: &OpError) {
        self.out.frame(Type::Error, stream, &error.json());
    }

    /// The process is over and answered; what it held goes back to its owners.
    pub fn retire(&mut self, process: Process) {
        if let Some(cgroup) = process.cgroup {
            self.cgroups.give_back(cgroup);
        }
    }

    pub fn fire_timers(&mut self) {
        while let Some(due) = self.timers.pop(self.now) {
            match due {
                Due::Timeout(key) => timeout::expire(self, key),
                Due::Kill(key) => timeout::kill(self, key),
                Due::GiveUp(key) => timeout::give_up(self, key),
                Due::Drain(key) => timeout::drain_over(self, key),
                Due::Moved(stream) => self.watch_ready(stream),
                Due::Turn(stream) => self.streams.wake(stream),
            }
        }
    }

    /// Gives streams their turns while the port has room; a bounded number, so that input is seen in between.
    pub fn pump(&mut self) {
        for _ in 0..32 {
            if !self.out.has_room() {
                return;
            }
            match self.streams.next_turn() {
                Some(id) => self.turn(id),
                None => return,
            }
        }
    }

    fn turn(&mut self, id: u32) {
        let mut stream = match self.streams.take(id) {
            Some(stream) => stream,
            None => return,
        };
        let progress = match &mut stream.op {
            Op::Assembling(_) | Op::Upload(_) | Op::Egress => Progress::Idle,
            Op::Command(key) => output::pump(self, *key, id, &mut stream.flow),
            Op::Download(download) => download.pump(&mut self.out, id, &mut stream.flow),
            Op::Removal(removal) => removal.pump(&mut self.out, id),
            Op::Shrink(shrink) => {
                let progress = shrink.pump(&mut self.allowance, &mut self.out, id);
                if progress == Progress::Idle {
                    self.timers.add(self.now + memory::REST_MS * MS, Due::Turn(id));
                }
                progress
            }
            Op::Tunnel(tunnel) => tunnel.pump(&mut self.out, id, &mut stream.flow),
            Op::Watch(watch) => {
                let progress = watch.pump(&self.root, &mut self.out, id, &mut stream.flow, self.now);
                if let Some(until) = watch.patience() {
                    self.timers.add(until, Due::Moved(id));
                }
                progress
            }
        };
        if progress == Progress::Done {
            return;
        }
        self.streams.put_back(id, stream);
        if progress == Progress::More {
            self.streams.wake(id);
        }
    }

    /// Forgets the session. Commands go on, unread, until someone attaches to them.
    pub fn end_session(&mut self) {
        self.streams.clear();
        egress::end_session(self);
        self.out.clear();
        for key in self.commands.keys() {
            if let Some(process) = self.commands.get_mut(key) {
                process.stream = None;
                process.drain_armed = false;
            }
        }
    }

    /// Work that no answer waits for.
    pub fn tidy(&mut self) {
        self.cgroups.tidy();
        if self.commands.is_empty() && self.timers.len() > 0 {
            self.timers.forget_commands();
        }
    }
}
