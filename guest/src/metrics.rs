//! Figures of the machine. They are the guest's own claims; the host measures what it needs to trust.

use crate::agent::core::Core;
use crate::agent::streams::Reply;
use crate::clock;
use crate::error::OpResult;
use crate::exec::cgroup;
use crate::request::{self, Bare};
use serde::Serialize;

#[derive(Serialize)]
struct Metrics {
    uptime_ms: u64,
    cpu_ms: u64,
    load1: f64,
    mem_total: u64,
    mem_available: u64,
    swap_used: u64,
    disk_total: u64,
    disk_used: u64,
    inodes_total: u64,
    inodes_used: u64,
    processes: u64,
}

/// Linux reports CPU time to user space in hundredths of a second.
const TICK_MS: u64 = 10;

pub fn metrics(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let _: Bare = request::parse(json)?;
    let memory = core.root.proc_text("meminfo");
    let memory = |name: &str| meminfo(&memory, name);
    let disk = core.freezer.statfs().or_else(|| core.root.statfs());
    let (disk_total, disk_used, inodes_total, inodes_used) = disk.map_or((0, 0, 0, 0), |disk| {
        let block = disk.f_bsize as u64;
        (
            disk.f_blocks * block,
            (disk.f_blocks - disk.f_bfree) * block,
            disk.f_files,
            disk.f_files - disk.f_ffree,
        )
    });
    let load = core.root.proc_text("loadavg");
    let metrics = Metrics {
        uptime_ms: clock::since_boot_ms(),
        cpu_ms: cpu_ms(&core.root.proc_text("stat")),
        load1: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        mem_total: memory("MemTotal:"),
        mem_available: memory("MemAvailable:"),
        swap_used: memory("SwapTotal:").saturating_sub(memory("SwapFree:")),
        disk_total,
        disk_used,
        inodes_total,
        inodes_used,
        processes: processes(core, &load),
    };
    Ok(Reply::Json(serde_json::to_vec(&metrics).unwrap_or_default()))
}

fn meminfo(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = value.and_then(|value| value.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

/// Everything on the first line except idle and iowait.
fn cpu_ms(stat: &str) -> u64 {
    let line = stat.lines().next().unwrap_or("");
    let ticks = line.split_ascii_whitespace().skip(1).take(8).enumerate();
    let busy = ticks.filter(|(column, _)| !matches!(column, 3 | 4));
    busy.filter_map(|(_, text)| text.parse::<u64>().ok()).sum::<u64>() * TICK_MS
}

/// Tasks of all commands; without cgroups, of the whole system.
fn processes(core: &Core, loadavg: &str) -> u64 {
    let counted = core
        .cgroups
        .parent()
        .and_then(|parent| cgroup::read_small(parent, "pids.current", 64).trim().parse().ok());
    let all = || loadavg.split(' ').nth(3)?.split('/').nth(1)?.parse().ok();
    counted.or_else(all).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_texts() {
        assert_eq!(meminfo("MemTotal:  1024 kB\nMemFree: 5 kB\n", "MemTotal:"), 1_048_576);
        assert_eq!(meminfo("", "MemTotal:"), 0);
        assert_eq!(cpu_ms("cpu  1 2 3 100 50 4 5 6 0 0\ncpu0 9"), 210);
    }
}
