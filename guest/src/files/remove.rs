//! remove: never through a link, never across a mount point, and in slices, so that a big tree delays nobody.

use super::path::{SafePath, HOME};
use super::resolve::Root;
use crate::agent::streams::{Op, Progress, Reply};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::error::{Kind, OpError, OpResult, Outcome};
use crate::request::{self, Remove};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, ResolveFlags, Stat};
use rustix::io::{self, Errno};
use std::ffi::CString;
use std::mem::MaybeUninit;

/// Entries removed in one turn.
const SLICE: usize = 128;
/// Each level holds a descriptor.
const MAX_DEPTH: usize = 512;

/// A directory being emptied; it is the child `name` of the level below it on the stack, or of `Removal::parent`.
struct Level {
    dir: OwnedFd,
    name: CString,
    entries: Vec<CString>,
}

pub struct Removal {
    parent: OwnedFd,
    levels: Vec<Level>,
    path: String,
    removed: u64,
    home: Option<(u64, u64)>,
}

pub fn remove(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Remove = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let (parent, name) = root.parent(&path)?;
    if path.must_be_dir {
        root.handle(&path, false)?;
    }
    let fail = |errno| OpError::sys(errno, path.as_str());
    let home = root.stat_raw(HOME).ok();
    let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
    let home_parent = root.stat_raw("/home").ok();
    if [&home, &home_parent].iter().any(|kept| same_file(kept, &stat)) {
        let message = format!("{}: the home directory is refused", path.as_str());
        return Err(OpError::new(Kind::Denied, message));
    }
    match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) => return Ok(removed(1)),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(fail(errno)),
    }
    let c_name = CString::new(name).map_err(|_| fail(Errno::INVAL))?;
    let dir = open_dir(&parent, &c_name).map_err(fail)?;
    match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Ok(()) => return Ok(removed(1)),
        Err(Errno::NOTEMPTY | Errno::EXIST) if request.recursive => {}
        Err(errno) => return Err(fail(errno)),
    }
    Ok(Reply::Stream(Op::Removal(Removal {
        parent,
        levels: vec![Level {
            dir,
            name: c_name,
            entries: Vec::new(),
        }],
        path: path.as_str().to_string(),
        removed: 0,
        home: home.map(|stat| (stat.st_dev, stat.st_ino)),
    })))
}

fn removed(count: u64) -> Reply {
    Reply::Json(format!(r#"{{"removed":{}}}"#, count).into_bytes())
}

fn same_file(kept: &Option<Stat>, stat: &Stat) -> bool {
    matches!(kept, Some(kept) if kept.st_dev == stat.st_dev && kept.st_ino == stat.st_ino)
}

/// NO_XDEV makes a mount point an error, however it got there.
fn open_dir(parent: &OwnedFd, name: &CString) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    rustix::fs::openat2(parent, name.as_c_str(), flags, Mode::empty(), resolve)
}

impl Removal {
    pub fn pump(&mut self, out: &mut Outbox, stream: u32) -> Progress {
        for _ in 0..SLICE {
            match self.step() {
                Ok(true) => {}
                Ok(false) => {
                    let json = format!(r#"{{"removed":{}}}"#, self.removed);
                    out.result(stream, json.as_bytes());
                    return Progress::Done;
                }
                Err(error) => {
                    let error = match self.removed {
                        0 => error,
                        _ => error.outcome(Outcome::Unknown),
                    };
                    out.frame(Type::Error, stream, &error.json());
                    return Progress::Done;
                }
            }
        }
        Progress::More
    }

    /// Removes one entry or enters one directory; false when the tree is gone.
    fn step(&mut self) -> OpResult<bool> {
        let path = &self.path;
        let fail = |errno| OpError::sys(errno, path);
        let depth = self.levels.len();
        let level = match self.levels.last_mut() {
            Some(level) => level,
            None => return Ok(false),
        };
        if level.entries.is_empty() {
            level.entries = read_some(&level.dir).map_err(fail)?;
        }
        let name = match level.entries.pop() {
            Some(name) => name,
            None => return self.leave(),
        };
        match rustix::fs::unlinkat(&level.dir, name.as_c_str(), AtFlags::empty()) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => {
                if depth >= MAX_DEPTH {
                    return Err(OpError::new(Kind::Limit, format!("{}: too deep", path)));
                }
                let dir = open_dir(&level.dir, &name).map_err(fail)?;
                let stat = rustix::fs::fstat(&dir).map_err(fail)?;
                if self.home == Some((stat.st_dev, stat.st_ino)) {
                    return Err(OpError::new(Kind::Denied, "the home directory is refused"));
                }
                let entries = Vec::new();
                self.levels.push(Level { dir, name, entries });
            }
            Err(errno) => return Err(fail(errno)),
        }
        Ok(true)
    }

    /// The top level is empty: remove it from the one below.
    fn leave(&mut self) -> OpResult<bool> {
        let done = match self.levels.pop() {
            Some(level) => level,
            None => return Ok(false),
        };
        let below = self.levels.last().map_or(&self.parent, |level| &level.dir);
        match rustix::fs::unlinkat(below, done.name.as_c_str(), AtFlags::REMOVEDIR) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(OpError::sys(errno, &self.path)),
        }
        Ok(true)
    }
}

/// One buffer of names, from the start: what was there before has been removed, so every call sees new ones.
fn read_some(dir: &OwnedFd) -> io::Result<Vec<CString>> {
    rustix::fs::seek(dir, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 8_192];
    let mut entries = RawDir::new(dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
        if entries.is_buffer_empty() && !names.is_empty() {
            break;
        }
    }
    Ok(names)
}
