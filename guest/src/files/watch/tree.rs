//! The directories of a watch: what the kernel calls them, and what they are called here.

use super::lines::Lines;
use crate::error::{Kind, OpError, OpResult};
use crate::files::resolve::{kind_of, Root};
use crate::limits::MAX_WATCHED;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, WatchFlags};
use rustix::fs::{AtFlags, FileType, OFlags, RawDir};
use rustix::io::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::mem::MaybeUninit;

pub struct Tree {
    base: String,
    recursive: bool,
    base_wd: i32,
    directory: bool,
    /// Relative names by watch descriptor; the base is empty.
    names: BTreeMap<i32, Vec<u8>>,
    unscanned: VecDeque<Vec<u8>>,
}

impl Tree {
    pub fn new(base: &str, recursive: bool) -> Tree {
        Tree {
            base: base.to_string(),
            recursive,
            base_wd: -1,
            directory: false,
            names: BTreeMap::new(),
            unscanned: VecDeque::from([Vec::new()]),
        }
    }

    pub fn is_base(&self, wd: i32) -> bool {
        wd == self.base_wd
    }

    pub fn base_is_directory(&self) -> bool {
        self.directory
    }

    pub fn has_unscanned(&self) -> bool {
        !self.unscanned.is_empty()
    }

    /// The name of what an event is about; none for what says nothing new: a directory's own event, which its parent's
    /// repeats, and events of directories that are not watched any more.
    pub fn name(&self, wd: i32, entry: &[u8]) -> Option<Vec<u8>> {
        let dir = self.names.get(&wd)?;
        match (entry.is_empty(), wd == self.base_wd) {
            (true, true) if !self.directory => Some(Vec::new()),
            (true, _) => None,
            (false, _) => Some(join(dir, entry)),
        }
    }

    /// A directory that appeared. Watched at its turn if the watch is recursive.
    pub fn add(&mut self, name: Vec<u8>, lines: &mut Lines) {
        if !self.recursive {
            return;
        }
        if self.names.len() + self.unscanned.len() >= MAX_WATCHED {
            return lines.overflow();
        }
        self.unscanned.push_back(name);
    }

    pub fn forget(&mut self, wd: i32) {
        self.names.remove(&wd);
    }

    /// A directory has another name now, and with it everything below.
    pub fn renamed(&mut self, from: &[u8], to: &[u8]) {
        for name in self.names.values_mut().chain(self.unscanned.iter_mut()) {
            if is_within(name, from) {
                let rest = name.split_off(from.len());
                *name = [to, &rest].concat();
            }
        }
    }

    /// A directory has left the tree.
    pub fn prune(&mut self, gone: &[u8], inotify: &OwnedFd) {
        self.unscanned.retain(|name| !is_within(name, gone));
        let inside: Vec<i32> = self
            .names
            .iter()
            .filter(|(_, name)| is_within(name, gone))
            .map(|(wd, _)| *wd)
            .collect();
        for wd in inside {
            let _ = inotify::remove_watch(inotify, wd);
            self.names.remove(&wd);
        }
    }

    /// Watches one directory and notes the ones in it. `late`: the watch is under way, so what is found in there is new.
    pub fn scan_one(&mut self, root: &Root, inotify: &OwnedFd, lines: &mut Lines, late: bool) -> OpResult<()> {
        let name = match self.unscanned.pop_front() {
            Some(name) => name,
            None => return Ok(()),
        };
        match self.scan(&name, root, inotify, lines, late) {
            Ok(()) => Ok(()),
            // Gone, replaced by something else or unreadable by design since it was seen: its parent tells.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::PERM) if !name.is_empty() => Ok(()),
            Err(_) if late => {
                lines.overflow();
                Ok(())
            }
            Err(Errno::NOSPC) => {
                let message = format!("{}: more directories than can be watched", self.base);
                Err(OpError::new(Kind::Limit, message))
            }
            Err(errno) => Err(OpError::sys(errno, &self.base)),
        }
    }

    fn scan(
        &mut self,
        name: &[u8],
        root: &Root,
        inotify: &OwnedFd,
        lines: &mut Lines,
        late: bool,
    ) -> Result<(), Errno> {
        let base = name.is_empty();
        let mut path = self.base.as_bytes().to_vec();
        if !base {
            path = join(if path == b"/" { b"" } else { &path }, name);
        }
        let kind = if base {
            OFlags::empty()
        } else {
            OFlags::DIRECTORY | OFlags::NOFOLLOW
        };
        let handle = root.open_raw(path.as_slice(), OFlags::PATH | kind)?;
        let stat = root.admit(&handle, &self.base).map_err(|_| Errno::PERM)?;
        let directory = kind_of(&stat) == FileType::Directory;
        let wd = root.watch(inotify, &handle, events())?;
        self.names.insert(wd, name.to_vec());
        if base {
            self.base_wd = wd;
            self.directory = directory;
        }
        // Watched first and listed afterwards: what appears in between is seen at least once.
        let listed = directory && (late || self.recursive);
        if !listed || (base && !self.recursive) {
            return Ok(());
        }
        let dir = root.reopen(&handle, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut buffer = vec![MaybeUninit::uninit(); 32_768];
        let mut entries = RawDir::new(&dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let file_name = entry.file_name();
            if matches!(file_name.to_bytes(), b"." | b"..") {
                continue;
            }
            let directory = match entry.file_type() {
                FileType::Unknown => rustix::fs::statat(&dir, file_name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(false, |stat| kind_of(&stat) == FileType::Directory),
                kind => kind == FileType::Directory,
            };
            let child = join(name, file_name.to_bytes());
            if late && crate::files::write::is_temporary(&child).is_none() {
                lines.change("created", &child, directory);
            }
            if directory {
                if !late && self.names.len() + self.unscanned.len() >= MAX_WATCHED {
                    return Err(Errno::NOSPC);
                }
                self.add(child, lines);
            }
        }
        Ok(())
    }
}

fn events() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MODIFY
        | WatchFlags::ATTRIB
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::EXCL_UNLINK
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() {
        return name.to_vec();
    }
    [dir, b"/", name].concat()
}

/// Whether a name is `top` or below it.
fn is_within(name: &[u8], top: &[u8]) -> bool {
    name.starts_with(top) && matches!(name.get(top.len()), None | Some(b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_directories() {
        let mut tree = Tree::new("/w", true);
        tree.base_wd = 1;
        tree.directory = true;
        for (wd, name) in [(1, ""), (2, "a"), (3, "a/b"), (4, "ab")] {
            tree.names.insert(wd, name.as_bytes().to_vec());
        }
        assert_eq!(tree.name(3, b"file").unwrap(), b"a/b/file");
        assert_eq!(tree.name(1, b"file").unwrap(), b"file");
        assert_eq!(tree.name(2, b""), None);
        assert_eq!(tree.name(9, b"file"), None);
        tree.renamed(b"a", b"x/y");
        assert_eq!(tree.name(3, b"file").unwrap(), b"x/y/b/file");
        assert_eq!(tree.name(4, b"file").unwrap(), b"ab/file");
    }

    #[test]
    fn within_means_whole_components() {
        assert!(is_within(b"a", b"a"));
        assert!(is_within(b"a/b", b"a"));
        assert!(!is_within(b"ab", b"a"));
        assert!(!is_within(b"", b"a"));
    }
}
