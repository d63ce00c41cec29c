//! From the kernel's first process to a machine that is ready for a session.

mod cgroups;
mod devices;
mod hardening;
mod modules;
mod mounts;
mod network;

use crate::channel::port;
use crate::log;
use rustix::fd::OwnedFd;

pub struct Booted {
    pub port: OwnedFd,
    /// The writable disk, for freezing and for its figures; none when the upper layer is memory.
    pub disk: Option<OwnedFd>,
    pub cgroup: Option<OwnedFd>,
}

/// Every step that the machine cannot do without panics, which ends the machine with a line on the console.
pub fn boot() -> Booted {
    mounts::kernel_views();
    log::open_console();
    devices::occupy_stdio();
    let debug = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    log::set_verbose(debug.split_ascii_whitespace().any(|word| word == "mvm.debug=1"));
    modules::load();
    let base = devices::wait_for_disk("mvm-base").expect("no disk with serial mvm-base");
    let disk = devices::find_disk("mvm-disk");
    crate::debug!("base {} disk {:?}", base, disk);
    let disk = mounts::assemble_root(&base, disk.as_deref());
    let cgroup = cgroups::set_up();
    hardening::sysctls();
    devices::clean_dev();
    network::loopback_up();
    hardening::raise_limits();
    let port = port::open(port::AGENT).expect("no port named mvm.agent.0");
    crate::debug!("port open");
    Booted { port, disk, cgroup }
}
