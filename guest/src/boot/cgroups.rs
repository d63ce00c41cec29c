//! One cgroup for all commands, with the limits that keep the agent alive: it stays outside.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{mount, MountFlags};
use std::fs;

const ROOT: &str = "/sys/fs/cgroup";
const COMMANDS: &str = "/sys/fs/cgroup/mvm";
const MIB: u64 = 1 << 20;

pub fn set_up() -> Option<OwnedFd> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if mount("cgroup2", ROOT, "cgroup2", flags, "nsdelegate,memory_recursiveprot").is_err() {
        mount("cgroup2", ROOT, "cgroup2", flags, "").expect("mount cgroup2");
    }
    fs::create_dir(COMMANDS).expect("make the commands' cgroup");
    put(ROOT, "cgroup.subtree_control", "+memory +pids");
    put(COMMANDS, "pids.max", &max_tasks().to_string());
    put(COMMANDS, "memory.max", &max_memory().to_string());
    put(COMMANDS, "memory.oom.group", "0");
    // Memory is counted per command, so that an out-of-memory kill has an owner.
    put(COMMANDS, "cgroup.subtree_control", "+memory");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(COMMANDS, flags, Mode::empty()).ok()
}

fn put(dir: &str, name: &str, value: &str) {
    if fs::write(format!("{}/{}", dir, name), value).is_err() {
        crate::log!("cgroup {} is not set", name);
    }
}

/// Below the kernel's own limit, which would stop the agent's clones as well.
fn max_tasks() -> u64 {
    let text = fs::read_to_string("/proc/sys/kernel/threads-max").unwrap_or_default();
    let kernel: u64 = text.trim().parse().unwrap_or(4_096);
    4_096.min(kernel * 3 / 4)
}

fn max_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    let total = kilobytes.unwrap_or(262_144) * 1_024;
    // The kernel's own page tables and caches grow with the machine; a floor keeps small machines alive.
    let reserve = (48 * MIB).max(total / 100 * 8);
    total.saturating_sub(reserve).max(32 * MIB)
}
