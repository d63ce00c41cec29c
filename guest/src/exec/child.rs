//! What a new process does between clone and exec. It shares the agent's memory: system calls only, no allocation.

use std::os::raw::{c_char, c_int, c_long};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Setup,
    User,
    Cwd,
    Exec,
}

/// Everything the child needs, prepared by the agent; the last two fields are the child's answer.
pub struct Plan {
    pub candidates: *const *const c_char,
    pub argv: *const *const c_char,
    pub envp: *const *const c_char,
    pub cwd: *const c_char,
    pub uid: u32,
    pub gid: u32,
    pub groups: *const u32,
    pub group_count: usize,
    pub stdio: [c_int; 3],
    pub terminal: bool,
    /// Joined by the child itself where clone3 could not place it; -1 for none.
    pub cgroup_procs: c_int,
    /// The agent runs with real-time priority; see `sched.rs`.
    pub realtime: bool,
    pub errno: c_int,
    pub stage: Stage,
}

/// Returns only if something failed, with `plan.errno` and `plan.stage` set.
///
/// # Safety
/// Runs in a child that shares the agent's memory while the agent is suspended; every pointer in `plan` is valid.
pub unsafe fn run(plan: &mut Plan) {
    plan.errno = prepare(plan);
    if plan.errno != 0 {
        return;
    }
    plan.stage = Stage::Exec;
    plan.errno = exec(plan);
}

unsafe fn prepare(plan: &mut Plan) -> c_int {
    plan.stage = Stage::Setup;
    if plan.realtime {
        crate::sched::lower_self();
    }
    if plan.cgroup_procs >= 0 && libc::write(plan.cgroup_procs, b"0".as_ptr().cast(), 1) < 0 {
        return errno();
    }
    if libc::setsid() < 0 {
        return errno();
    }
    if plan.terminal && libc::ioctl(plan.stdio[0], libc::TIOCSCTTY, 0) < 0 {
        return errno();
    }
    for target in 0..3 {
        if libc::dup2(plan.stdio[target as usize], target) < 0 {
            return errno();
        }
    }
    // Every descriptor of the agent is close-on-exec; this is the second lock on that door.
    libc::syscall(libc::SYS_close_range, 3 as c_long, c_long::from(u32::MAX), 0 as c_long);
    libc::umask(0o022);

    plan.stage = Stage::User;
    // Raw calls: glibc's wrappers would try to change every thread of a process that is not this one.
    if raw(libc::SYS_setgroups, plan.group_count as c_long, plan.groups as c_long) < 0
        || raw(libc::SYS_setgid, plan.gid.into(), 0) < 0
        || raw(libc::SYS_setuid, plan.uid.into(), 0) < 0
    {
        return errno();
    }

    plan.stage = Stage::Cwd;
    if libc::chdir(plan.cwd) < 0 {
        return errno();
    }
    // The agent blocks every signal and ignores none, so an empty mask is all that is left to restore.
    let empty: u64 = 0;
    libc::syscall(
        libc::SYS_rt_sigprocmask,
        c_long::from(libc::SIG_SETMASK),
        &empty as *const u64,
        0 as c_long,
        8 as c_long,
    );
    0
}

/// execvp, but asking `access` first: a failing execve allocates and frees a whole address space.
unsafe fn exec(plan: &Plan) -> c_int {
    let mut result = libc::ENOENT;
    let mut at = plan.candidates;
    while !(*at).is_null() {
        if libc::access(*at, libc::X_OK) == 0 {
            libc::execve(*at, plan.argv, plan.envp);
        }
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => result = libc::EACCES,
            other => return other,
        }
        at = at.add(1);
    }
    result
}

unsafe fn raw(number: c_long, first: c_long, second: c_long) -> c_long {
    libc::syscall(number, first, second)
}

unsafe fn errno() -> c_int {
    *libc::__errno_location()
}
