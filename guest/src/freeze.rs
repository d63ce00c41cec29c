//! freeze, thaw, sync and shutdown: the writable file system as a snapshot wants it.

use crate::agent::core::Core;
use crate::agent::streams::{Op, Reply};
use crate::error::{Kind, OpError, OpResult};
use crate::request::{self, Bare};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::StatFs;
use rustix::io::{self, Errno};
use std::os::raw::c_ulong;

const FIFREEZE: c_ulong = 0xc004_5877;
const FITHAW: c_ulong = 0xc004_5878;

/// The ext4 under the overlay; the overlay itself cannot be frozen.
pub struct Freezer {
    disk: Option<OwnedFd>,
    frozen: bool,
}

impl Freezer {
    pub fn new(disk: Option<OwnedFd>) -> Freezer {
        Freezer { disk, frozen: false }
    }

    pub fn refuse_if_frozen(&self) -> OpResult<()> {
        if self.frozen {
            return Err(OpError::new(Kind::Unavailable, "the file system is frozen"));
        }
        Ok(())
    }

    pub fn statfs(&self) -> Option<StatFs> {
        self.disk.as_ref().and_then(|disk| rustix::fs::fstatfs(disk).ok())
    }

    /// Thawing what is not frozen is fine: a restored machine cannot know what its first life did.
    pub fn thaw(&mut self) -> io::Result<()> {
        self.frozen = false;
        match self.control(FITHAW) {
            Err(Errno::INVAL) => Ok(()),
            other => other,
        }
    }

    fn freeze(&mut self) -> io::Result<()> {
        match self.control(FIFREEZE) {
            // EBUSY: frozen already.
            Ok(()) | Err(Errno::BUSY) => {
                self.frozen = self.disk.is_some();
                Ok(())
            }
            other => other,
        }
    }

    fn sync(&self) -> io::Result<()> {
        match &self.disk {
            Some(disk) => rustix::fs::syncfs(disk),
            None => {
                rustix::fs::sync();
                Ok(())
            }
        }
    }

    /// Without a disk of its own the writable layer is memory, which a snapshot holds anyway.
    fn control(&self, request: c_ulong) -> io::Result<()> {
        let disk = match &self.disk {
            Some(disk) => disk,
            None => return Ok(()),
        };
        // SAFETY: both requests ignore their argument.
        if unsafe { libc::ioctl(disk.as_raw_fd(), request, 0) } < 0 {
            let code = std::io::Error::last_os_error().raw_os_error();
            return Err(Errno::from_raw_os_error(code.unwrap_or(libc::EIO)));
        }
        Ok(())
    }
}

pub fn freeze(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let _: Bare = request::parse(json)?;
    let writing = core
        .streams
        .iter()
        .any(|stream| matches!(stream.op, Op::Upload(_) | Op::Removal(_) | Op::Shrink(_)));
    if writing {
        // Their next write would block the agent for as long as the freeze lasts; so would pages that wait for the disk.
        return Err(OpError::new(Kind::Unavailable, "files are being written"));
    }
    core.freezer.freeze().map_err(|errno| OpError::sys(errno, "freeze"))?;
    Ok(Reply::empty())
}

pub fn thaw(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let _: Bare = request::parse(json)?;
    core.freezer.thaw().map_err(|errno| OpError::sys(errno, "thaw"))?;
    Ok(Reply::empty())
}

pub fn sync(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let _: Bare = request::parse(json)?;
    core.freezer.sync().map_err(|errno| OpError::sys(errno, "sync"))?;
    Ok(Reply::empty())
}

pub fn shutdown(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let _: Bare = request::parse(json)?;
    let _ = core.freezer.thaw();
    let _ = core.freezer.sync();
    core.stopping = true;
    Ok(Reply::empty())
}
