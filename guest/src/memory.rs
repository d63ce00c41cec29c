//! memory: how much all commands together may use, below what the machine has.
//!
//! A `memory.max` below what is in use makes the kernel kill. So commands are pressed below a smaller limit with
//! `memory.high` first, which reclaims and slows but kills nothing; when they are there, `memory.max` follows. Each turn
//! presses a little, so that the agent answers in between. Commands that cannot be pressed that far keep the limit they had.

use crate::agent::core::Core;
use crate::agent::streams::{Op, Progress, Reply};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::error::{Kind, OpError, OpResult};
use crate::exec::cgroup::{self, Cgroups};
use crate::request::{self, Memory};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io;
use serde::Serialize;

const MIB: u64 = 1 << 20;
/// Pressed out of the commands in one turn.
const STEP: u64 = 16 * MIB;
/// Less than this is no progress.
const LEAST_PROGRESS: u64 = 256 << 10;
/// Turns without progress before the commands count as not following. Pages on their way to the disk need some.
const FUTILE_TURNS: u32 = 12;
/// Between two of those.
pub const REST_MS: u64 = 25;
/// Of a limit, in percent: what cannot be dropped may fill it that far. Beyond, no room is left for program code, and
/// the pressure guard would end somebody soon after.
const HELD_SHARE: u64 = 90;

/// What commands may use at most, and what resizing has taken back from them since the machine booted.
pub struct Allowance {
    /// `memory.max` as it was at boot; zero where commands have no limit.
    ceiling: u64,
    reclaimed: u64,
}

impl Allowance {
    pub fn of(cgroups: &Cgroups) -> Allowance {
        let ceiling = cgroups.parent().map_or(0, |parent| number(parent, "memory.max"));
        Allowance { ceiling, reclaimed: 0 }
    }

    fn answer(&self, commands: BorrowedFd<'_>, followed: bool) -> Vec<u8> {
        let Usage { used, held } = Usage::of(commands);
        let answer = Answer {
            limit: number(commands, "memory.max"),
            used,
            held,
            peak: number(commands, "memory.peak"),
            reclaimed: self.reclaimed,
            followed,
        };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Answer {
    limit: u64,
    used: u64,
    held: u64,
    peak: u64,
    reclaimed: u64,
    followed: bool,
}

pub fn memory(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let Memory { limit_mb, .. } = request::parse(json)?;
    let commands = match core.cgroups.parent() {
        Some(commands) if core.allowance.ceiling > 0 => commands,
        _ => return Err(OpError::new(Kind::Unsupported, "commands have no limit of memory here")),
    };
    let limit = match limit_mb {
        None => return Ok(Reply::Json(core.allowance.answer(commands, true))),
        Some(0) => return Err(OpError::invalid("limit_mb must be at least 1")),
        Some(limit_mb) => limit_mb.saturating_mul(MIB).min(core.allowance.ceiling),
    };
    if core.streams.iter().any(|stream| matches!(stream.op, Op::Shrink(_))) {
        return Err(OpError::new(Kind::Unavailable, "memory is being resized"));
    }
    if limit >= number(commands, "memory.max") {
        write(commands, "memory.max", limit)?;
        return Ok(Reply::Json(core.allowance.answer(commands, true)));
    }
    // Pages that wait for a frozen disk cannot be dropped, and the wait would block the agent.
    core.freezer.refuse_if_frozen()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let commands = cgroup::open_at(commands, ".", flags).map_err(|errno| OpError::sys(errno, "cgroup"))?;
    Ok(Reply::Stream(Op::Shrink(Shrink {
        commands,
        limit,
        high: u64::MAX,
        least: u64::MAX,
        futile: 0,
    })))
}

/// A limit that is being lowered. Dropping it ends the pressure, whatever has come of it.
pub struct Shrink {
    commands: OwnedFd,
    limit: u64,
    /// `memory.high` now.
    high: u64,
    /// Smallest use seen.
    least: u64,
    futile: u32,
}

impl Shrink {
    /// Idle: nothing moved; another turn in `REST_MS`.
    pub fn pump(&mut self, allowance: &mut Allowance, out: &mut Outbox, stream: u32) -> Progress {
        let before = Usage::of(&self.commands);
        if before.used <= self.limit && before.fits(self.limit) {
            if let Err(error) = write(&self.commands, "memory.max", self.limit) {
                out.frame(Type::Error, stream, &error.json());
                return Progress::Done;
            }
            return self.finish(allowance, out, stream, true);
        }
        if !before.fits(self.limit) || self.futile >= FUTILE_TURNS {
            return self.finish(allowance, out, stream, false);
        }
        self.high = next_high(self.high, before.used, self.limit);
        if let Err(error) = write(&self.commands, "memory.high", self.high) {
            out.frame(Type::Error, stream, &error.json());
            return Progress::Done;
        }
        let after = number(&self.commands, "memory.current");
        allowance.reclaimed += before.used.saturating_sub(after);
        if after.saturating_add(LEAST_PROGRESS) <= self.least {
            self.least = after;
            self.futile = 0;
            return Progress::More;
        }
        self.futile += 1;
        Progress::Idle
    }

    fn finish(&self, allowance: &Allowance, out: &mut Outbox, stream: u32, followed: bool) -> Progress {
        out.result(stream, &allowance.answer(self.commands.as_fd(), followed));
        Progress::Done
    }
}

impl Drop for Shrink {
    fn drop(&mut self) {
        if self.high != u64::MAX {
            let _ = put(&self.commands, "memory.high", "max");
        }
    }
}

/// What commands use, in bytes.
struct Usage {
    used: u64,
    /// What the kernel cannot drop: the programs' own pages, files in memory, the kernel's records of them. There is no swap.
    held: u64,
}

impl Usage {
    fn of(commands: impl AsFd) -> Usage {
        let stat = cgroup::read_small(&commands, "memory.stat", 8_192);
        Usage {
            used: number(&commands, "memory.current"),
            held: held(&stat),
        }
    }

    fn fits(&self, limit: u64) -> bool {
        self.held <= limit / 100 * HELD_SHARE
    }
}

fn held(stat: &str) -> u64 {
    let value = |name| cgroup::stat_value(stat, name);
    value("anon") + value("shmem") + value("kernel").saturating_sub(value("slab_reclaimable"))
}

/// One step below what is used, never up again, never below the limit.
fn next_high(high: u64, used: u64, limit: u64) -> u64 {
    high.min(used.saturating_sub(STEP)).max(limit)
}

/// `max` is no number: as much as there can be.
fn number(commands: impl AsFd, name: &str) -> u64 {
    let text = cgroup::read_small(commands, name, 64);
    match text.trim() {
        "" => 0,
        text => text.parse().unwrap_or(MAX_SAFE),
    }
}

/// Largest number that JSON of the other end holds exactly.
const MAX_SAFE: u64 = (1 << 53) - 1;

fn write(commands: impl AsFd, name: &str, value: u64) -> OpResult<()> {
    put(commands, name, &value.to_string()).map_err(|errno| OpError::sys(errno, name))
}

fn put(commands: impl AsFd, name: &str, text: &str) -> io::Result<()> {
    let file = cgroup::open_at(commands, name, OFlags::WRONLY)?;
    io::write(&file, text.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "anon 104857600\nfile 52428800\nkernel 5242880\nshmem 1048576\nslab_reclaimable 3145728\n";

    #[test]
    fn only_what_cannot_be_dropped_is_held() {
        assert_eq!(held(STAT), (100 + 1 + 5 - 3) * MIB);
        assert_eq!(held(""), 0);
    }

    #[test]
    fn nine_tenths_of_a_limit_may_be_held() {
        let usage = Usage {
            used: 500 * MIB,
            held: 90 * MIB,
        };
        assert!(usage.fits(100 * MIB));
        assert!(!usage.fits(99 * MIB));
        assert!(!usage.fits(0));
    }

    #[test]
    fn pressure_only_rises_and_ends_at_the_limit() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..2_000 {
            let limit = 32 * MIB + random(1 << 32);
            let mut high = u64::MAX;
            for _ in 0..20 {
                let used = random(1 << 33);
                let next = next_high(high, used, limit);
                assert!(next >= limit, "{} below {}", next, limit);
                assert!(next <= high || next == limit, "{} after {}", next, high);
                assert!(next == limit || next + STEP <= used, "{} of {}", next, used);
                high = next;
            }
        }
    }
}
