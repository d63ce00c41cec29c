//! Priorities: the agent answers while a fork bomb has thousands of runnable processes.
//!
//! The agent runs as SCHED_FIFO and nearly always sleeps. A child inherits that until it has exec'ed, one step lower, so
//! that the agent, which waits for the exec, is not suspended behind the bomb; then the agent makes it an ordinary process.

use std::os::raw::{c_int, c_long};

const AGENT: c_int = 2;
const CHILD: c_int = 1;

/// Returns whether the agent now has real-time priority.
pub fn raise_self() -> bool {
    set(0, libc::SCHED_FIFO, AGENT)
}

pub fn lower_self() {
    set(0, libc::SCHED_FIFO, CHILD);
}

pub fn make_ordinary(pid: u32) {
    set(pid, libc::SCHED_OTHER, 0);
}

fn set(pid: u32, policy: c_int, priority: c_int) -> bool {
    // SAFETY: the kernel reads one int, `struct sched_param`. Raw, because it also runs between clone and exec.
    unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            c_long::from(pid),
            c_long::from(policy),
            &priority as *const c_int,
        ) == 0
    }
}
