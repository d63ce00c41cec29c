//! Exit statuses of commands and of every orphan that the kernel hands to PID 1.

use super::process::Ended;
use crate::agent::core::Core;
use std::mem::MaybeUninit;

pub fn reap(core: &mut Core) {
    while let Some((pid, status, cpu_ns)) = wait_any() {
        if let Some(key) = core.commands.running_key_of(pid) {
            let at = core.now;
            if let Some(process) = core.commands.get_mut(key) {
                process.ended = Some(Ended { status, cpu_ns, at });
                process.stdin = None;
                // The last bytes and the ends of the pipes are usually here already.
                for source in [&mut process.stdout, &mut process.stderr].into_iter().flatten() {
                    source.readable = true;
                }
            }
            core.wake_command(key);
        } else {
            core.cgroups.something_ended();
        }
    }
}

fn wait_any() -> Option<(u32, i32, u64)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live variables of the right type; zeroed is a valid rusage.
    let (pid, usage) = unsafe {
        let pid = libc::wait4(-1, &mut status, libc::WNOHANG, usage.as_mut_ptr());
        (pid, usage.assume_init())
    };
    let cpu_ns = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
    (pid > 0).then_some((pid as u32, status, cpu_ns))
}

fn nanoseconds(time: libc::timeval) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000
}
