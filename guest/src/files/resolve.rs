//! Opens paths inside the root. `openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)` is the only door.

use super::path::SafePath;
use crate::error::{Kind, OpError, OpResult};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::inotify::{self, WatchFlags};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, StatFs, Uid};
use rustix::io::{self, Errno};

/// Owner of what the file API makes: `user` of every image.
const OWNER: u32 = 1_000;

const FUSE: i64 = 0x6573_5546;
/// File systems whose files are switches of the kernel or can block for ever (FUSE).
const DENIED: &[i64] = &[
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x1cd1,      // devpts
    0x6367_7270, // cgroup2
    0x0027_e0eb, // cgroup
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0xcafe_4a11, // bpf
    0x6265_6570, // configfs
    0x4249_4e4d, // binfmt_misc
    0x6e73_6673, // nsfs
    FUSE,
];

pub struct Root {
    dir: OwnedFd,
    /// The agent's own descriptors, opened before the guest's programs could mount anything over /proc.
    own_fds: OwnedFd,
    proc: OwnedFd,
    /// devtmpfs looks like tmpfs to statfs, so it is known by its device number.
    dev: Option<u64>,
    prefix: String,
}

impl Root {
    /// `prefix` is what the agent's own view of the root is called: empty in a machine, a directory in tests.
    pub fn open(prefix: &str) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = if prefix.is_empty() { "/" } else { prefix };
        let dev = rustix::fs::stat(format!("{}/dev", prefix).as_str()).ok();
        let top = rustix::fs::stat(path)?.st_dev;
        Ok(Root {
            dir: rustix::fs::open(path, flags, Mode::empty())?,
            proc: rustix::fs::open("/proc", flags, Mode::empty())?,
            own_fds: rustix::fs::open("/proc/self/fd", flags, Mode::empty())?,
            dev: dev.map(|stat| stat.st_dev).filter(|dev| *dev != top),
            prefix: prefix.to_string(),
        })
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// For the agent's own reads of paths that it names itself.
    pub fn open_raw<P: rustix::path::Arg + Copy>(&self, path: P, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            let flags = flags | OFlags::CLOEXEC;
            match rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), resolve) {
                // EAGAIN: a rename raced with the walk; the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// For the agent's own small files under /etc: made if missing, never blocking, whatever the guest put there.
    pub fn open_own(&self, path: &str) -> io::Result<(OwnedFd, Stat)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mode = Mode::from_raw_mode(0o644);
        let fd = rustix::fs::openat2(&self.dir, path, flags, mode, resolve)?;
        let stat = rustix::fs::fstat(&fd)?;
        match kind_of(&stat) {
            FileType::RegularFile => Ok((fd, stat)),
            _ => Err(Errno::INVAL),
        }
    }

    /// A file of the agent's own procfs, whatever the guest mounted over it.
    pub fn proc_text(&self, name: &str) -> String {
        crate::exec::cgroup::read_small(&self.proc, name, 65_536)
    }

    pub fn statfs(&self) -> Option<StatFs> {
        rustix::fs::fstatfs(&self.dir).ok()
    }

    pub fn stat_raw(&self, path: &str) -> io::Result<Stat> {
        rustix::fs::fstat(self.open_raw(path, OFlags::PATH)?)
    }

    /// A handle on whatever `path` names: nothing is opened for reading, so nothing can block or react.
    pub fn handle(&self, path: &SafePath, follow: bool) -> OpResult<(OwnedFd, Stat)> {
        let mut flags = OFlags::PATH;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        let fail = |errno| OpError::sys(errno, path.as_str());
        let fd = self.open_raw(path.as_str(), flags).map_err(fail)?;
        let stat = self.admit(&fd, path.as_str())?;
        if path.must_be_dir && kind_of(&stat) != FileType::Directory {
            return Err(fail(Errno::NOTDIR));
        }
        Ok((fd, stat))
    }

    /// The directory that holds `path`'s last component.
    pub fn parent<'a>(&self, path: &'a SafePath) -> OpResult<(OwnedFd, &'a str)> {
        let (parent, name) = match path.split() {
            Some(split) => split,
            None => return Err(OpError::new(Kind::Denied, "the root itself is refused")),
        };
        let fd = self
            .open_raw(parent, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(|errno| OpError::sys(errno, path.as_str()))?;
        self.admit(&fd, path.as_str())?;
        Ok((fd, name))
    }

    /// The same, making what is missing.
    pub fn make_parent<'a>(&self, path: &'a SafePath) -> OpResult<(OwnedFd, &'a str)> {
        match self.parent(path) {
            Err(error) if error.kind == Kind::NotFound => {}
            other => return other,
        }
        if let Some((parent, _)) = path.split() {
            for prefix in SafePath::prefixes(parent) {
                if self.open_raw(prefix, OFlags::PATH).err() == Some(Errno::NOENT) {
                    self.make_dir(&SafePath::parse(prefix)?, 0o755)?;
                }
            }
        }
        self.parent(path)
    }

    /// Makes one directory in an existing one; false if it was there.
    pub fn make_dir(&self, path: &SafePath, mode: u32) -> OpResult<bool> {
        let (dir, name) = self.parent(path)?;
        match rustix::fs::mkdirat(&dir, name, permission_bits(mode)) {
            Ok(()) => {
                chown_at(&dir, name).map_err(|errno| OpError::sys(errno, path.as_str()))?;
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(OpError::sys(errno, path.as_str())),
        }
    }

    /// Opens what a handle stands for; the handle has been checked, and this cannot become something else.
    pub fn reopen(&self, handle: &OwnedFd, flags: OFlags) -> io::Result<OwnedFd> {
        let name = handle.as_raw_fd().to_string();
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        rustix::fs::openat(&self.own_fds, name.as_str(), flags, Mode::empty())
    }

    /// Watches what a handle stands for. The kernel takes a path only: that of the handle, seen from the agent's own procfs.
    pub fn watch(&self, inotify: &OwnedFd, handle: &OwnedFd, events: WatchFlags) -> io::Result<i32> {
        let name = handle.as_raw_fd().to_string();
        rustix::process::fchdir(&self.own_fds)?;
        let watch = inotify::add_watch(inotify, name.as_str(), events);
        rustix::process::fchdir(&self.dir)?;
        watch
    }

    pub fn chmod(&self, handle: &OwnedFd, mode: u32) -> io::Result<()> {
        let name = handle.as_raw_fd().to_string();
        rustix::fs::chmodat(&self.own_fds, name.as_str(), permission_bits(mode), AtFlags::empty())
    }

    /// Refuses the kernel's own file systems; returns the attributes, which every caller needs anyway.
    pub fn admit<Fd: AsFd>(&self, fd: Fd, subject: &str) -> OpResult<Stat> {
        let fail = |errno| OpError::sys(errno, subject);
        let stat = rustix::fs::fstat(&fd).map_err(fail)?;
        let magic = rustix::fs::fstatfs(&fd).map_err(fail)?.f_type as i64 & 0xffff_ffff;
        if DENIED.contains(&magic) || self.dev == Some(stat.st_dev) {
            // A share is answered by the host, which has no need to ask for its own files here.
            let what = match magic {
                FUSE => "in a directory that the host shares: use it on the host",
                _ => "a file system of the kernel",
            };
            let message = format!("{}: {}", subject, what);
            return Err(OpError::new(Kind::Denied, message));
        }
        Ok(stat)
    }
}

pub fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// FIFOs, sockets and devices are refused by their type, before anything opens them.
pub fn refuse_special(stat: &Stat, path: &str) -> OpResult<()> {
    match kind_of(stat) {
        FileType::RegularFile | FileType::Directory | FileType::Symlink => Ok(()),
        _ => Err(OpError::new(Kind::Special, format!("{}: not a regular file", path))),
    }
}

/// Without setuid, setgid and sticky.
pub fn permission_bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o777)
}

pub fn owner() -> (Uid, Gid) {
    // SAFETY: 1000 is not the reserved value -1.
    unsafe { (Uid::from_raw(OWNER), Gid::from_raw(OWNER)) }
}

pub fn chown_at(dir: &OwnedFd, name: &str) -> io::Result<()> {
    let (uid, gid) = owner();
    rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}
