//! Short lines on the serial console. Never argv, environment or content.

use std::os::unix::io::{IntoRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

static CONSOLE: AtomicI32 = AtomicI32::new(-1);
static VERBOSE: AtomicBool = AtomicBool::new(false);

pub fn to_stderr() {
    CONSOLE.store(2, Ordering::Relaxed);
}

pub fn open_console() {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    if let Ok(fd) = rustix::fs::open("/dev/console", flags, Mode::empty()) {
        CONSOLE.store(fd.into_raw_fd(), Ordering::Relaxed);
    }
}

pub fn set_verbose(on: bool) {
    VERBOSE.store(on, Ordering::Relaxed);
}

pub fn is_verbose() -> bool {
    VERBOSE.load(Ordering::Relaxed)
}

/// One write for the whole line; a console that is full or missing loses it, which beats blocking PID 1.
pub fn line(text: &str) {
    let fd: RawFd = CONSOLE.load(Ordering::Relaxed);
    if fd < 0 {
        return;
    }
    let line = format!("mvm-agent: {}\n", text);
    // SAFETY: the pointer and length describe `line`; the descriptor is never closed once stored.
    unsafe { libc::write(fd, line.as_ptr().cast(), line.len()) };
}

#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::log::line(&format!($($arg)*)) };
}

/// Logs only with `mvm.debug=1` on the kernel command line.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => { if $crate::log::is_verbose() { $crate::log::line(&format!($($arg)*)) } };
}
