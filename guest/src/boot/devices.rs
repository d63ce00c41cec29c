//! Block devices by serial, and a /dev without what the guest has no business with.

use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::unix::io::IntoRawFd;
use std::thread::sleep;
use std::time::Duration;

/// Descriptors 0 to 2 must exist: a pipe that lands on one of them would become some command's stdio.
pub fn occupy_stdio() {
    for target in 0..3 {
        if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()) {
            let fd = null.into_raw_fd();
            if fd != target {
                // SAFETY: the agent owns its standard descriptors and uses them for nothing else.
                unsafe {
                    libc::dup2(fd, target);
                    libc::close(fd);
                }
            }
        }
    }
}

/// The node of the disk with this serial, waiting up to about five seconds for its driver.
pub fn wait_for_disk(serial: &str) -> Option<String> {
    let mut pause = Duration::from_micros(500);
    for _ in 0..35 {
        if let Some(node) = find_disk(serial) {
            return Some(node);
        }
        sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
    None
}

pub fn find_disk(serial: &str) -> Option<String> {
    for entry in fs::read_dir("/sys/block").ok()?.flatten() {
        let found = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
        if found.trim_end_matches(&['\n', '\0'][..]) == serial {
            return Some(format!("/dev/{}", entry.file_name().to_str()?));
        }
    }
    None
}

/// Raw memory, raw disks. Root can make the nodes again; this keeps accidents and lazy exploits away.
pub fn clean_dev() {
    for name in ["mem", "kmem", "port"] {
        let _ = fs::remove_file(format!("/dev/{}", name));
    }
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        if let Some(name) = entry.file_name().to_str() {
            if name.starts_with("vd") {
                let _ = fs::remove_file(format!("/dev/{}", name));
            }
        }
    }
    let _ = fs::remove_dir_all("/dev/block");
}
