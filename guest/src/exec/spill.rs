//! A command's whole output in a file of the guest, for what the host does not keep of it.

use crate::error::{OpError, OpResult};
use crate::files::path::SafePath;
use crate::files::resolve::{owner, refuse_special, Root};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};

pub struct Spill {
    /// None once a write has failed: a gap in the middle would be worse than a missing end.
    file: Option<OwnedFd>,
    pub bytes: u64,
}

impl Spill {
    /// Made new or emptied, with its parents, for `user`; whatever is no regular file of the root is refused.
    pub fn open(root: &Root, path: &str) -> OpResult<Spill> {
        let path = SafePath::parse(path)?;
        if path.must_be_dir {
            return Err(OpError::sys(Errno::ISDIR, path.as_str()));
        }
        let fail = |errno| OpError::sys(errno, path.as_str());
        let (dir, name) = root.make_parent(&path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = flags | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&dir, name, flags, Mode::from_raw_mode(0o644)).map_err(fail)?;
        refuse_special(&root.admit(&file, path.as_str())?, path.as_str())?;
        rustix::fs::ftruncate(&file, 0).map_err(fail)?;
        let (uid, gid) = owner();
        rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(fail)?;
        Ok(Spill {
            file: Some(file),
            bytes: 0,
        })
    }

    pub fn write(&mut self, mut data: &[u8]) {
        while let (false, Some(file)) = (data.is_empty(), &self.file) {
            match io::write(file, data) {
                Ok(count) if count > 0 => {
                    self.bytes += count as u64;
                    data = &data[count..];
                }
                Err(Errno::INTR) => {}
                _ => self.file = None,
            }
        }
    }
}
