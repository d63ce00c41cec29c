//! One command of `exec`, from its start to its RESULT.

use super::cgroup::Cgroup;
use super::spill::Spill;
use super::stdin::Stdin;
use rustix::fd::OwnedFd;
use serde::Serialize;

/// The agent's end of an output pipe or terminal.
pub struct Source {
    pub fd: OwnedFd,
    /// Edge-triggered readiness: stays true until a read comes back short or empty.
    pub readable: bool,
    /// The writers are gone; reads go on until they return nothing.
    pub hangup: bool,
}

#[derive(Clone, Copy)]
pub struct Ended {
    /// The raw wait status.
    pub status: i32,
    pub cpu_ns: u64,
    pub at: u64,
}

pub struct Process {
    pub pid: u32,
    pub argv: Vec<String>,
    pub user: String,
    pub cwd: String,
    pub started_ms: u64,
    pub started_at: u64,
    pub grace_ns: u64,
    /// The stream that receives output; none after the session that started it is lost.
    pub stream: Option<u32>,
    pub stdin: Option<Stdin>,
    pub stdout: Option<Source>,
    pub stderr: Option<Source>,
    /// Output comes from a terminal, whose short reads do not mean that it is empty.
    pub terminal: bool,
    pub stderr_first: bool,
    pub cgroup: Option<Cgroup>,
    pub ended: Option<Ended>,
    pub timed_out: bool,
    pub kill_sent: bool,
    /// The agent ended it for memory; the kernel's own kills are counted in the cgroup.
    pub starved: bool,
    pub spill: Option<Spill>,
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
    pub last_output: u64,
    pub drain_armed: bool,
}

#[derive(Serialize)]
pub struct CommandResult {
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub timed_out: bool,
    pub oom_killed: bool,
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill_bytes: Option<u64>,
    pub duration_ms: f64,
    pub cpu_ms: f64,
}

impl Process {
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    pub fn is_drained(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// SIGKILL for the whole tree, and for the process group: root can move a process out of its cgroup.
    pub fn kill_tree(&mut self) {
        self.kill_sent = true;
        let killed = self.cgroup.as_ref().map_or(false, Cgroup::kill);
        if self.is_running() || !killed {
            self.signal_group(libc::SIGKILL);
        }
    }

    pub fn signal_tree(&self, signal: i32) {
        match &self.cgroup {
            Some(cgroup) => {
                if !cgroup.signal(signal, self.pid as i32) && self.is_running() {
                    self.signal_main(signal);
                }
            }
            None => self.signal_group(signal),
        }
    }

    pub fn signal_main(&self, signal: i32) -> i32 {
        // SAFETY: kill takes two integers; the pid is not reaped yet, so it is still this process.
        unsafe { libc::kill(self.pid as i32, signal) }
    }

    fn signal_group(&self, signal: i32) {
        // SAFETY: as above; the group's number is its leader's.
        unsafe { libc::kill(-(self.pid as i32), signal) };
    }

    /// The RESULT; the exit status is what the kernel told the agent.
    pub fn result(&self, now: u64) -> Vec<u8> {
        let ended = self.ended.unwrap_or(Ended {
            status: libc::SIGKILL,
            cpu_ns: 0,
            at: now,
        });
        let exited = libc::WIFEXITED(ended.status);
        let result = CommandResult {
            exit_code: exited.then(|| libc::WEXITSTATUS(ended.status)),
            signal: (!exited).then(|| libc::WTERMSIG(ended.status)),
            timed_out: self.timed_out,
            oom_killed: self.starved || self.cgroup.as_ref().map_or(false, Cgroup::was_oom_killed),
            stdout_bytes: self.stdout_bytes,
            stderr_bytes: self.stderr_bytes,
            spill_bytes: self.spill.as_ref().map(|spill| spill.bytes),
            duration_ms: crate::clock::tenths(ended.at.saturating_sub(self.started_at)),
            cpu_ms: crate::clock::tenths(ended.cpu_ns),
        };
        serde_json::to_vec(&result).unwrap_or_default()
    }
}
