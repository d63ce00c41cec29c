//! Signals arrive as reads. All are blocked for the agent, so none ever interrupts it; children start with none blocked.

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::io;
use std::mem::MaybeUninit;

pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks signals and listens for ended children. As an ordinary process, SIGINT and SIGTERM keep their meaning.
    pub fn install(is_init: bool) -> io::Result<Signals> {
        let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
        let mut listened = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set functions initialise what they are given; the calls below read those sets.
        let fd = unsafe {
            // Rust's runtime ignores SIGPIPE, and ignoring is inherited across exec.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::sigfillset(blocked.as_mut_ptr());
            if !is_init {
                libc::sigdelset(blocked.as_mut_ptr(), libc::SIGINT);
                libc::sigdelset(blocked.as_mut_ptr(), libc::SIGTERM);
            }
            libc::sigprocmask(libc::SIG_SETMASK, blocked.as_ptr(), std::ptr::null_mut());
            libc::sigemptyset(listened.as_mut_ptr());
            libc::sigaddset(listened.as_mut_ptr(), libc::SIGCHLD);
            let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
            libc::signalfd(-1, listened.as_ptr(), flags)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Signals { fd })
    }

    /// Rearms the descriptor; who ended is asked of the kernel, because SIGCHLD does not count.
    pub fn drain(&self) {
        let mut info = [0; std::mem::size_of::<libc::signalfd_siginfo>() * 4];
        let _ = rustix::io::read(&self.fd, &mut info);
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
