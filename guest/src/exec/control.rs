//! signal, resize, ps and attach: what can be done to commands that exist.

use super::{command, pty};
use crate::agent::core::Core;
use crate::agent::streams::{Op, Reply};
use crate::error::{Kind, OpError, OpResult};
use crate::request::{self, Attach, Bare, Resize, Signal, Size};
use rustix::io::Errno;
use serde::Serialize;

pub fn signal(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let request: Signal = request::parse(json)?;
    if !(1..=64).contains(&request.signal) {
        return Err(OpError::invalid("no such signal"));
    }
    let key = core.commands.key_of(request.pid)?;
    let process = match core.commands.get_mut(key) {
        Some(process) => process,
        None => return Err(OpError::new(Kind::NotFound, "no such command")),
    };
    if request.tree && request.signal == libc::SIGKILL {
        process.kill_tree();
    } else if request.tree {
        process.signal_tree(request.signal);
    } else if !process.is_running() {
        return Err(OpError::sys(Errno::SRCH, "the command has ended"));
    } else if process.signal_main(request.signal) < 0 {
        return Err(OpError::sys(Errno::SRCH, "signal"));
    }
    Ok(Reply::empty())
}

pub fn resize(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let Resize { pid, rows, cols, .. } = request::parse(json)?;
    let key = core.commands.key_of(pid)?;
    let process = core.commands.get_mut(key);
    match process
        .filter(|process| process.terminal)
        .and_then(|process| process.stdout.as_ref())
    {
        Some(master) => pty::resize(&master.fd, &Size { rows, cols }).map_err(|errno| OpError::sys(errno, "resize"))?,
        None => return Err(OpError::invalid("the command has no terminal")),
    }
    Ok(Reply::empty())
}

#[derive(Serialize)]
struct Row<'a> {
    pid: u32,
    argv: &'a [String],
    user: &'a str,
    cwd: &'a str,
    started_ms: u64,
    running: bool,
}

/// Argument lists can be megabytes; the answer must fit one message.
const PS_ARGV_BYTES: usize = 8_192;

pub fn ps(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let _: Bare = request::parse(json)?;
    let rows: Vec<Row> = core
        .commands
        .iter()
        .map(|process| Row {
            pid: process.pid,
            argv: leading(&process.argv),
            user: &process.user,
            cwd: &process.cwd,
            started_ms: process.started_ms,
            running: process.is_running(),
        })
        .collect();
    let rows = serde_json::to_string(&rows).unwrap_or_default();
    Ok(Reply::Json(format!(r#"{{"processes":{}}}"#, rows).into_bytes()))
}

fn leading(argv: &[String]) -> &[String] {
    let mut total = 0;
    let fits = argv.iter().take_while(|arg| {
        total += arg.len();
        total <= PS_ARGV_BYTES
    });
    &argv[..fits.count()]
}

pub fn attach(core: &mut Core, stream: u32, json: &[u8]) -> OpResult<Reply> {
    let Attach { pid, .. } = request::parse(json)?;
    let key = match core.commands.key_of(pid) {
        Ok(key) => key,
        Err(error) => {
            // It may have finished just as its session died; the result was kept for this question.
            let result = core.commands.recall(pid).map(<[u8]>::to_vec).ok_or(error)?;
            command::announce(core, stream, pid);
            return Ok(Reply::Json(result));
        }
    };
    if let Some(process) = core.commands.get_mut(key) {
        if process.stream.is_some() {
            return Err(OpError::new(Kind::Exists, "the command is attached already"));
        }
        process.stream = Some(stream);
        for source in [&mut process.stdout, &mut process.stderr].into_iter().flatten() {
            source.readable = true;
        }
    }
    command::announce(core, stream, pid);
    Ok(Reply::Stream(Op::Command(key)))
}
