//! The virtio ports: found by name, because their numbers depend on the machine's other devices.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::time::Duration;

/// The agent's own.
pub const AGENT: &str = "mvm.agent.0";
const SYSFS: &str = "/sys/class/virtio-ports";

/// Opens the port, waiting for the driver with growing pauses; gives up after about five seconds.
pub fn open(name: &str) -> Option<OwnedFd> {
    let mut pause = Duration::from_micros(500);
    for _ in 0..40 {
        if let Some(node) = find(name) {
            let path = format!("/dev/{}", node);
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
            if let Ok(fd) = rustix::fs::open(path.as_str(), flags, Mode::empty()) {
                // Only one opener is possible at a time; the mode keeps others away while the agent restarts.
                let _ = rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o600));
                return Some(fd);
            }
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
    None
}

fn find(wanted: &str) -> Option<String> {
    for entry in fs::read_dir(SYSFS).ok()?.flatten() {
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim_end() == wanted {
            return entry.file_name().into_string().ok();
        }
    }
    None
}
