//! Uploads: a temporary file beside the target and a rename, so that readers see the old content or the new, whole.
//!
//! Appending writes to the file itself and takes back what it added if it is not finished.

use super::path::SafePath;
use super::resolve::{kind_of, owner, permission_bits, refuse_special, Root};
use crate::agent::streams::{Op, Reply};
use crate::error::{Kind, OpError, OpResult};
use crate::request::{self, Write};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps};
use rustix::io::{self, Errno};
use std::sync::atomic::{AtomicU32, Ordering};

const DEFAULT_MODE: u32 = 0o644;
const PREFIX: &str = ".mvm-";
const FRESH: &str = ".new.tmp";
const REPLACING: &str = ".tmp";
static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Upload {
    file: OwnedFd,
    path: SafePath,
    place: Place,
    mtime_ms: Option<i64>,
    size: Option<u64>,
    bytes: u64,
    committed: bool,
}

enum Place {
    /// To become `target` in `dir`.
    Temporary {
        dir: OwnedFd,
        name: String,
        exclusive: bool,
    },
    /// Added to the end of an existing file of this length.
    Appended { length: u64 },
}

pub fn write(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Write = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    if path.must_be_dir {
        return Err(OpError::sys(Errno::ISDIR, path.as_str()));
    }
    let (dir, name) = root.make_parent(&path)?;
    let existing = existing(root, &dir, name, &path)?;
    if existing.is_some() && request.exclusive {
        return Err(OpError::sys(Errno::EXIST, path.as_str()));
    }
    let fail = |errno| OpError::sys(errno, path.as_str());
    let (file, place) = match &existing {
        Some(_) if request.append => {
            let (handle, stat) = root.handle(&path, true)?;
            refuse_special(&stat, path.as_str())?;
            let file = root.reopen(&handle, OFlags::WRONLY | OFlags::APPEND).map_err(fail)?;
            let length = stat.st_size as u64;
            (file, Place::Appended { length })
        }
        old => {
            let (file, temporary) = make_temporary(&dir, old.is_none()).map_err(fail)?;
            let exclusive = request.exclusive;
            let place = Place::Temporary {
                dir,
                name: temporary,
                exclusive,
            };
            let dressed = dress(&file, old.as_ref(), request.mode);
            if let Err(errno) = dressed {
                remove_temporary(&place);
                return Err(fail(errno));
            }
            (file, place)
        }
    };
    if let (Place::Appended { .. }, Some(mode)) = (&place, request.mode) {
        rustix::fs::fchmod(&file, permission_bits(mode)).map_err(fail)?;
    }
    Ok(Reply::Stream(Op::Upload(Upload {
        file,
        path,
        place,
        mtime_ms: request.mtime_ms,
        size: request.size,
        bytes: 0,
        committed: false,
    })))
}

/// What is there now. A symbolic link is replaced, not followed; directories and special files are refused.
fn existing(root: &Root, dir: &OwnedFd, name: &str, path: &SafePath) -> OpResult<Option<Stat>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(OpError::sys(errno, path.as_str())),
    };
    let stat = root.admit(fd, path.as_str())?;
    refuse_special(&stat, path.as_str())?;
    match kind_of(&stat) {
        FileType::Directory => Err(OpError::sys(Errno::ISDIR, path.as_str())),
        _ => Ok(Some(stat)),
    }
}

/// `fresh`: nothing is there that it will replace. The name says so, for watches.
fn make_temporary(dir: &OwnedFd, fresh: bool) -> io::Result<(OwnedFd, String)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let suffix = if fresh { FRESH } else { REPLACING };
        let name = format!("{}{:08x}-{:x}{}", PREFIX, number, crate::clock::wall_ms(), suffix);
        match rustix::fs::openat(dir, name.as_str(), flags, Mode::from_raw_mode(0o600)) {
            Err(Errno::EXIST) => {}
            other => return other.map(|file| (file, name)),
        }
    }
}

/// Whether a path is that of an unfinished upload, and if so whether the upload makes a file that was not there.
pub fn is_temporary(path: &[u8]) -> Option<bool> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let is_ours = name.starts_with(PREFIX.as_bytes()) && name.ends_with(REPLACING.as_bytes());
    is_ours.then_some(name.ends_with(FRESH.as_bytes()))
}

/// Owner and mode: a replaced regular file hands on its own, a new one belongs to `user`.
fn dress(file: &OwnedFd, old: Option<&Stat>, mode: Option<u32>) -> io::Result<()> {
    let old = old.filter(|stat| kind_of(stat) == FileType::RegularFile);
    let (uid, gid) = match old {
        // SAFETY: the kernel does not report -1 as an owner.
        Some(stat) => unsafe {
            (
                rustix::fs::Uid::from_raw(stat.st_uid),
                rustix::fs::Gid::from_raw(stat.st_gid),
            )
        },
        None => owner(),
    };
    rustix::fs::fchown(file, Some(uid), Some(gid))?;
    let inherited = old.map_or(DEFAULT_MODE, |stat| stat.st_mode);
    rustix::fs::fchmod(file, permission_bits(mode.unwrap_or(inherited)))
}

fn remove_temporary(place: &Place) {
    if let Place::Temporary { dir, name, .. } = place {
        let _ = rustix::fs::unlinkat(dir, name.as_str(), AtFlags::empty());
    }
}

impl Upload {
    pub fn data(&mut self, bytes: &[u8]) -> OpResult<()> {
        let total = self.bytes + bytes.len() as u64;
        if self.size.map_or(false, |size| total > size) {
            return Err(self.wrong_size());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match io::write(&self.file, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(OpError::sys(errno, self.path.as_str())),
            }
        }
        self.bytes = total;
        Ok(())
    }

    /// The host's END: makes the content visible.
    pub fn finish(&mut self) -> OpResult<Vec<u8>> {
        if self.size.map_or(false, |size| size != self.bytes) {
            return Err(self.wrong_size());
        }
        self.commit().map_err(|errno| OpError::sys(errno, self.path.as_str()))?;
        self.committed = true;
        Ok(format!(r#"{{"bytes":{}}}"#, self.bytes).into_bytes())
    }

    fn commit(&self) -> io::Result<()> {
        if let Some(ms) = self.mtime_ms {
            set_mtime(&self.file, ms)?;
        }
        if let Place::Temporary { dir, name, exclusive } = &self.place {
            let flags = if *exclusive {
                RenameFlags::NOREPLACE
            } else {
                RenameFlags::empty()
            };
            rustix::fs::renameat_with(dir, name.as_str(), dir, self.path.name(), flags)?;
        }
        Ok(())
    }

    fn wrong_size(&self) -> OpError {
        let message = format!("{}: the content does not have the announced size", self.path.as_str());
        OpError::new(Kind::Invalid, message)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        match &self.place {
            Place::Temporary { .. } => remove_temporary(&self.place),
            Place::Appended { length } => {
                // Only what this upload added: if someone else appended as well, taking it back would take theirs.
                let now = rustix::fs::fstat(&self.file).map(|stat| stat.st_size as u64);
                if now == Ok(length + self.bytes) {
                    let _ = rustix::fs::ftruncate(&self.file, *length);
                }
            }
        }
    }
}

fn set_mtime(file: &OwnedFd, ms: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: ms.div_euclid(1_000),
        tv_nsec: ms.rem_euclid(1_000) * 1_000_000,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::futimens(file, &times)
}
