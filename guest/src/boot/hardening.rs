//! Kernel settings. The machine is the boundary; these keep its user from its root and its root from easy targets.

use std::fs;

const SYSCTLS: &[(&str, &str)] = &[
    ("kernel/kptr_restrict", "2"),
    ("kernel/dmesg_restrict", "1"),
    ("kernel/unprivileged_bpf_disabled", "1"),
    ("kernel/perf_event_paranoid", "3"),
    ("kernel/yama/ptrace_scope", "1"),
    ("kernel/sysrq", "0"),
    // A crash of the guest's kernel ends the machine, which the host notices, rather than leaving it hanging.
    ("kernel/panic", "-1"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/core_pattern", "|/bin/false"),
    ("fs/suid_dumpable", "0"),
    ("fs/protected_symlinks", "1"),
    ("fs/protected_hardlinks", "1"),
    ("fs/protected_fifos", "2"),
    ("fs/protected_regular", "2"),
    ("net/core/bpf_jit_harden", "2"),
    ("vm/unprivileged_userfaultfd", "0"),
];

/// Missing ones are skipped: kernels differ in what they are built with.
pub fn sysctls() {
    for (name, value) in SYSCTLS {
        if fs::write(format!("/proc/sys/{}", name), value).is_err() {
            crate::debug!("sysctl {} is not set", name);
        }
    }
}

/// Commands inherit these: enough descriptors for the agent, the usual limits for programs, no core files.
pub fn raise_limits() {
    for (resource, soft, hard) in [
        (libc::RLIMIT_NOFILE, 4_096, 1_048_576),
        (libc::RLIMIT_CORE, 0, libc::RLIM_INFINITY),
    ] {
        let limit = libc::rlimit {
            rlim_cur: soft,
            rlim_max: hard,
        };
        // SAFETY: reads one rlimit.
        unsafe { libc::setrlimit(resource, &limit) };
    }
}
