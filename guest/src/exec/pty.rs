//! Terminals. The slave is opened through the master, so no path of the guest's choosing is involved.

use crate::request::Size;
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::{self, Errno};
use std::os::unix::io::AsRawFd;

/// Group `tty` in every Debian-like image.
const TTY_GROUP: u32 = 5;

pub struct Pty {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

pub fn open(size: &Size, uid: u32) -> io::Result<Pty> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
    let unlock: i32 = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlock) })?;
    // SAFETY: TIOCGPTPEER takes open flags by value and returns a new descriptor.
    let slave = check(unsafe {
        libc::ioctl(
            master.as_raw_fd(),
            libc::TIOCGPTPEER,
            libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC,
        )
    })?;
    // SAFETY: the descriptor was just returned to us and has no other owner.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    resize(&master, size)?;
    // SAFETY: no id is u32::MAX; users.rs refuses it.
    let (uid, gid) = unsafe { (Uid::from_raw(uid), Gid::from_raw(TTY_GROUP)) };
    rustix::fs::fchown(&slave, Some(uid), Some(gid))?;
    rustix::fs::fchmod(&slave, Mode::from_raw_mode(0o620))?;
    Ok(Pty { master, slave })
}

pub fn resize(master: &OwnedFd, size: &Size) -> io::Result<()> {
    let window = libc::winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one winsize.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &window) }).map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        let code = std::io::Error::last_os_error().raw_os_error();
        return Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)));
    }
    Ok(result)
}
