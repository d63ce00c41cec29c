//! Out of memory, but not to the kernel: a command that fills the limit with its own pages leaves so little for program
//! code that every instruction is read from disk again. Each read is progress, so the kernel kills nothing for minutes.
//!
//! The kernel reports the stall (PSI); the agent then does what the kernel would have done.

use super::cgroup::{self, Cgroup};
use crate::agent::core::Core;
use crate::clock::MS;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;

/// Everything stalled on memory for a tenth of one second. Under emulation most of the time of such a loop goes into
/// decompressing program pages, which counts as work, so a higher share is never reached.
const TRIGGER: &[u8] = b"full 100000 1000000\0";
/// Reports further apart than this are not one stall.
const SAME_STALL: u64 = 3_000 * MS;
/// Reports in a row that are more than an honest peak.
const PATIENCE: u32 = 3;
/// Of the limit, in percent. Reading or writing large files stalls as well, but their pages can be dropped.
const ANONYMOUS_SHARE: u64 = 90;

pub struct Guard {
    trigger: OwnedFd,
    last_report: u64,
    reports: u32,
    refaults: u64,
}

impl Guard {
    /// None where the kernel has no pressure information or commands have no limit.
    pub fn arm(parent: Option<BorrowedFd<'_>>) -> Option<Guard> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK;
        let trigger = cgroup::open_at(parent?, "memory.pressure", flags).ok()?;
        rustix::io::write(&trigger, TRIGGER).ok()?;
        Some(Guard {
            trigger,
            last_report: 0,
            reports: 0,
            refaults: 0,
        })
    }

    /// Counts a report; true when the stall lasts and is the loop described above.
    fn is_hopeless(&mut self, now: u64, memory: &Memory) -> bool {
        let continued = now < self.last_report + SAME_STALL;
        self.last_report = now;
        self.reports = if continued { self.reports + 1 } else { 1 };
        let refaults = memory.refaults.saturating_sub(self.refaults);
        self.refaults = memory.refaults;
        // All program code that fits was read again since the last report: it is evicted as fast as it comes.
        let is_rereading = refaults > memory.file / 4_096;
        self.reports >= PATIENCE && is_rereading && memory.is_full_of_data()
    }
}

impl AsFd for Guard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.trigger.as_fd()
    }
}

/// A stall was reported: if it is hopeless, the largest command ends.
pub fn stalled(core: &mut Core) {
    let memory = core.cgroups.parent().map(Memory::of);
    let hopeless = match (&mut core.guard, &memory) {
        (Some(guard), Some(memory)) => guard.is_hopeless(core.now, memory),
        _ => false,
    };
    if !hopeless {
        return;
    }
    let largest = core
        .commands
        .iter()
        .filter_map(|process| Some((process.cgroup.as_ref()?.memory(), process.pid)))
        .max();
    let abandoned = core.cgroups.largest_occupied();
    if abandoned.map_or(0, Cgroup::memory) > largest.map_or(0, |(bytes, _)| bytes) {
        crate::log!("memory stall: ending a background service");
        abandoned.map(Cgroup::kill);
        return;
    }
    let key = largest.and_then(|(_, pid)| core.commands.key_of(pid).ok());
    if let Some(process) = key.and_then(|key| core.commands.get_mut(key)) {
        crate::log!("memory stall: ending the largest command");
        process.starved = true;
        process.kill_tree();
    }
}

/// What all commands together use, in bytes, and how many dropped file pages they had to read again.
struct Memory {
    limit: u64,
    data: u64,
    file: u64,
    refaults: u64,
}

impl Memory {
    fn of(parent: BorrowedFd<'_>) -> Memory {
        let limit = cgroup::read_small(parent, "memory.max", 64);
        let stat = cgroup::read_small(parent, "memory.stat", 8_192);
        let value = |name| cgroup::stat_value(&stat, name);
        Memory {
            limit: limit.trim().parse().unwrap_or(u64::MAX),
            data: value("anon") + value("shmem"),
            file: value("file").saturating_sub(value("shmem")),
            refaults: value("workingset_refault_file"),
        }
    }

    fn is_full_of_data(&self) -> bool {
        self.data >= self.limit / 100 * ANONYMOUS_SHARE
    }
}
