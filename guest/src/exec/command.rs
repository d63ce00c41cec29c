//! The `exec` operation: request in, running process or immediate RESULT out.

use super::child::Stage;
use super::cstrings::CStrings;
use super::env;
use super::process::{CommandResult, Process, Source};
use super::spawn::{Failure, Launch, Started};
use super::spill::Spill;
use super::stdin::Stdin;
use super::timeout;
use crate::agent::core::Core;
use crate::agent::streams::{Op, Reply};
use crate::channel::frame::Type;
use crate::clock::{self, MS};
use crate::error::{Kind, OpError, OpResult, Outcome};
use crate::files::path::HOME;
use crate::poll::Token;
use crate::request::{self, Exec};
use rustix::io::Errno;

/// Longer than any machine lives; keeps deadline arithmetic away from its edges.
const MAX_DURATION_MS: u64 = 1 << 40;

pub fn exec(core: &mut Core, stream: u32, json: &[u8]) -> OpResult<Reply> {
    let request: Exec = request::parse(json)?;
    check(&request)?;
    if let Some(evicted) = core.commands.ensure_room()? {
        core.retire(evicted);
    }
    let spill = match &request.spill {
        Some(path) => Some(Spill::open(&core.root, path)?),
        None => None,
    };
    let user = core.users.find(&core.root, request.user.as_deref().unwrap_or("user"))?;
    let cwd = working_directory(core, request.cwd.as_deref(), &user.home);
    let (envp, path) = env::build(&user, request.pty.is_some(), &core.base_env, &request.env.0);
    let candidates = env::candidates(&request.argv[0], path);
    let mut argv = CStrings::default();
    request.argv.iter().for_each(|arg| argv.push(&[arg.as_bytes()]));
    let mut cwd_array = CStrings::default();
    cwd_array.push(&[cwd.as_bytes()]);
    let launch = Launch {
        candidates,
        argv,
        envp,
        cwd: cwd_array,
        user: &user,
        stdin: request.stdin,
        pty: request.pty.as_ref(),
    };
    let started_at = clock::now();
    match core.spawner.start(&mut core.cgroups, launch) {
        Ok(started) => Ok(Reply::Stream(register(
            core, stream, request, user.name, cwd, started_at, started, spill,
        ))),
        Err(failure) => refuse(core, stream, &request.argv[0], failure),
    }
}

fn check(request: &Exec) -> OpResult<()> {
    let program = request.argv.first().map_or("", String::as_str);
    if program.is_empty() {
        return Err(OpError::invalid("argv is empty"));
    }
    if request.argv.iter().any(|arg| arg.contains('\0')) {
        return Err(OpError::invalid("an argument contains NUL"));
    }
    if matches!(&request.cwd, Some(cwd) if cwd.is_empty() || cwd.contains('\0') || cwd.len() > 4096) {
        return Err(OpError::invalid("bad working directory"));
    }
    let timeout = request.timeout_ms.unwrap_or(1);
    if timeout == 0 || timeout > MAX_DURATION_MS || request.grace_ms > MAX_DURATION_MS {
        return Err(OpError::invalid("timeout_ms or grace_ms is out of range"));
    }
    Ok(())
}

fn working_directory(core: &Core, asked: Option<&str>, home: &str) -> String {
    let inside = match asked {
        Some(path) if path.starts_with('/') => path.to_string(),
        Some(path) => format!("{}/{}", HOME, path),
        // A user of passwd may have a home that was never made; the default must still work.
        None if core.root.stat_raw(home).is_ok() => home.to_string(),
        None => "/".to_string(),
    };
    format!("{}{}", core.root.prefix(), inside)
}

fn register(
    core: &mut Core,
    stream: u32,
    request: Exec,
    user: String,
    cwd: String,
    started_at: u64,
    started: Started,
    spill: Option<Spill>,
) -> Op {
    let key = core.commands.next_key();
    let terminal = request.pty.is_some();
    // The descriptors are fresh, so adding them fails only without memory; the drain timer then still ends the command.
    let _ = core.poller.add_readable(&started.stdout, Token::Stdout(key));
    if let Some(stderr) = &started.stderr {
        let _ = core.poller.add_readable(stderr, Token::Stderr(key));
    }
    let pid = started.pid;
    core.commands.insert(Process {
        pid,
        argv: request.argv,
        user,
        cwd,
        started_ms: clock::wall_ms(),
        started_at,
        grace_ns: request.grace_ms * MS,
        stream: Some(stream),
        stdin: started.stdin.map(|fd| Stdin::new(fd, terminal)),
        stdout: Some(source(started.stdout)),
        stderr: started.stderr.map(source),
        terminal,
        stderr_first: false,
        cgroup: started.cgroup,
        ended: None,
        timed_out: false,
        kill_sent: false,
        starved: false,
        spill,
        stdout_bytes: 0,
        stderr_bytes: 0,
        last_output: started_at,
        drain_armed: false,
    });
    if let Some(ms) = request.timeout_ms {
        timeout::arm(core, key, started_at + ms * MS);
    }
    announce(core, stream, pid);
    Op::Command(key)
}

pub fn announce(core: &mut Core, stream: u32, pid: u32) {
    let event = format!(r#"{{"event":"started","pid":{}}}"#, pid);
    core.out.frame(Type::Event, stream, event.as_bytes());
}

fn source(fd: rustix::fd::OwnedFd) -> Source {
    Source {
        fd,
        readable: false,
        hangup: false,
    }
}

/// What never ran: exit codes 127 and 126 in the manner of a shell, everything else an ERROR.
fn refuse(core: &mut Core, stream: u32, program: &str, failure: Failure) -> OpResult<Reply> {
    let (code, text) = match (failure.stage, failure.errno) {
        (Stage::Exec, Errno::NOENT | Errno::NOTDIR) => (127, "command not found"),
        (Stage::Exec, Errno::NOMEM | Errno::AGAIN | Errno::MFILE | Errno::NFILE) => {
            return Err(OpError::sys(failure.errno, "exec"))
        }
        (Stage::Exec, Errno::ACCESS | Errno::PERM) => (126, "permission denied"),
        (Stage::Exec, Errno::NOEXEC) => (126, "exec format error"),
        (Stage::Exec, Errno::TOOBIG) => (126, "argument list too long"),
        (Stage::Exec, _) => (126, "cannot execute"),
        (Stage::Cwd, _) => return Err(invalid("working directory cannot be entered", &failure)),
        (Stage::User, _) => return Err(invalid("user cannot be assumed", &failure)),
        (Stage::Setup, errno) => return Err(OpError::sys(errno, "cannot start a process")),
    };
    let line = format!("mvm: {}: {}\n", program, text);
    let line = &line.as_bytes()[..line.len().min(8_192)];
    core.out.frame(Type::DataErr, stream, line);
    let result = CommandResult {
        exit_code: Some(code),
        signal: None,
        timed_out: false,
        oom_killed: false,
        stdout_bytes: 0,
        stderr_bytes: line.len() as u64,
        spill_bytes: None,
        duration_ms: 0.0,
        cpu_ms: 0.0,
    };
    Ok(Reply::Json(serde_json::to_vec(&result).unwrap_or_default()))
}

fn invalid(what: &str, failure: &Failure) -> OpError {
    let mut error = OpError::sys(failure.errno, what).outcome(Outcome::NotStarted);
    error.kind = Kind::Invalid;
    error
}
