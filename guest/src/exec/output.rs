//! Output of commands: one frame at a time, and the end that follows the last byte.

use super::linger;
use super::process::{Process, Source};
use super::timeout;
use crate::agent::core::Core;
use crate::agent::streams::{Flow, Progress};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::clock::MS;
use crate::limits::{DATA_CHUNK, DRAIN_SILENCE_MS};
use rustix::io::{self, Errno};

/// Sends at most one frame, or the RESULT when the command has ended and is drained.
pub fn pump(core: &mut Core, key: u32, stream: u32, flow: &mut Flow) -> Progress {
    let process = match core.commands.get_mut(key) {
        Some(process) => process,
        None => return Progress::Done,
    };
    if flow.credit > 0 && send_one(process, &mut core.out, stream, flow) {
        process.last_output = core.now;
        return Progress::More;
    }
    if process.is_running() {
        return Progress::Idle;
    }
    if process.is_drained() {
        finish(core, key);
        return Progress::Done;
    }
    let blocked = [&process.stdout, &process.stderr]
        .iter()
        .any(|source| matches!(source, Some(source) if source.readable));
    // Silence is only meaningful while the agent is able to read.
    if !blocked && !process.drain_armed {
        process.drain_armed = true;
        let since = process.last_output.max(process.ended.map_or(0, |ended| ended.at));
        timeout::arm_drain(core, key, since + DRAIN_SILENCE_MS * MS);
    }
    Progress::Idle
}

/// Stdout and stderr take turns, so that neither hides the other.
fn send_one(process: &mut Process, out: &mut Outbox, stream: u32, flow: &mut Flow) -> bool {
    process.stderr_first = !process.stderr_first;
    for is_stderr in [process.stderr_first, !process.stderr_first] {
        let (slot, kind, total) = if is_stderr {
            (&mut process.stderr, Type::DataErr, &mut process.stderr_bytes)
        } else {
            (&mut process.stdout, Type::Data, &mut process.stdout_bytes)
        };
        let spill = &mut process.spill;
        let max = DATA_CHUNK.min(flow.credit as usize);
        let sent = take(slot, process.terminal, max, |source| {
            out.fill(kind, stream, max, |spare| {
                let (read, _) = io::read_uninit(&source.fd, spare)?;
                if let Some(spill) = spill {
                    spill.write(read);
                }
                Ok(read.len())
            })
        });
        if sent > 0 {
            flow.credit -= sent as u64;
            *total += sent as u64;
            return true;
        }
    }
    false
}

/// Reads a source once if it may have something, keeping its readiness and closing it at its end.
fn take<F>(slot: &mut Option<Source>, terminal: bool, max: usize, read: F) -> usize
where
    F: FnOnce(&Source) -> io::Result<usize>,
{
    let source = match slot {
        Some(source) if source.readable => source,
        _ => return 0,
    };
    match read(source) {
        Ok(0) => {
            *slot = None;
            0
        }
        Ok(count) => {
            // A short read empties a pipe; the next byte then raises a new edge.
            source.readable = count == max || source.hangup || terminal;
            count
        }
        Err(Errno::AGAIN) => {
            source.readable = false;
            0
        }
        Err(Errno::INTR) => 0,
        // EIO is how a terminal says that its last user is gone.
        Err(_) => {
            *slot = None;
            0
        }
    }
}

/// Answers the command's stream, if it has one, and forgets the command.
pub fn finish(core: &mut Core, key: u32) {
    if let Some(mut process) = core.commands.remove(key) {
        if process.timed_out {
            // Its main process may have obeyed SIGTERM while a detached child did not.
            process.kill_tree();
        }
        let result = process.result(core.now);
        if let Some(stream) = process.stream {
            core.out.result(stream, &result);
        }
        core.commands.remember(process.pid, result);
        core.retire(process);
    }
}

/// Lets the holders of the output keep it, unread, and answers with what there is.
pub fn let_go(core: &mut Core, key: u32) {
    if let Some(process) = core.commands.get_mut(key) {
        let sources = [process.stdout.take(), process.stderr.take()];
        for source in sources.into_iter().flatten() {
            linger::keep(core, source.fd);
        }
        core.wake_command(key);
    }
}
