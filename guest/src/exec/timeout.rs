//! Deadlines of commands: SIGTERM, then SIGKILL, then the truth; and the silence that ends a drain.

use super::output;
use crate::agent::core::Core;
use crate::agent::timers::Due;
use crate::channel::frame::Type;
use crate::clock::MS;
use crate::error::{Kind, OpError, Outcome};
use crate::limits::{DRAIN_SILENCE_MS, KILL_PATIENCE_MS};

pub fn arm(core: &mut Core, key: u32, at: u64) {
    core.timers.add(at, Due::Timeout(key));
}

pub fn arm_drain(core: &mut Core, key: u32, at: u64) {
    core.timers.add(at, Due::Drain(key));
}

/// `timeout_ms` is over.
pub fn expire(core: &mut Core, key: u32) {
    let now = core.now;
    let process = match core.commands.get_mut(key) {
        Some(process) => process,
        None => return,
    };
    if !process.is_running() {
        // The command itself was in time; only its output is still held open.
        output::let_go(core, key);
        return;
    }
    process.timed_out = true;
    process.signal_tree(libc::SIGTERM);
    let at = now + process.grace_ns;
    core.timers.add(at, Due::Kill(key));
}

/// SIGKILL for the tree, after the grace time or for CANCEL.
pub fn kill(core: &mut Core, key: u32) {
    let now = core.now;
    if let Some(process) = core.commands.get_mut(key) {
        if !process.is_running() && !process.timed_out {
            output::let_go(core, key);
            return;
        }
        process.kill_tree();
        core.timers.add(now + KILL_PATIENCE_MS * MS, Due::GiveUp(key));
    }
}

/// A process in uninterruptible sleep outlives SIGKILL; the stream must still end.
pub fn give_up(core: &mut Core, key: u32) {
    if let Some(process) = core.commands.get_mut(key) {
        if !process.is_running() {
            output::let_go(core, key);
            return;
        }
        if let Some(stream) = process.stream.take() {
            let error = OpError::new(Kind::Io, "the command does not end after SIGKILL");
            let json = error.outcome(Outcome::Unknown).json();
            core.out.frame(Type::Error, stream, &json);
            core.streams.forget(stream);
        }
    }
}

/// The silence may have been broken since the timer was set; then it is set again.
pub fn drain_over(core: &mut Core, key: u32) {
    let now = core.now;
    if let Some(process) = core.commands.get_mut(key) {
        process.drain_armed = false;
        let readable = [&process.stdout, &process.stderr]
            .iter()
            .any(|source| matches!(source, Some(source) if source.readable));
        if !readable && now >= process.last_output + DRAIN_SILENCE_MS * MS {
            output::let_go(core, key);
        } else {
            core.wake_command(key);
        }
    }
}
