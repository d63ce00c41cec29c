//! Names of the guest's passwd and group files. Both belong to the guest: read without blocking, bounded, cached by stamp.

use crate::error::{OpError, OpResult};
use crate::files::resolve::Root;
use rustix::fs::{FileType, OFlags};
use rustix::io;

const MAX_FILE: usize = 1_048_576;
const DEFAULT_UID: u32 = 1_000;

#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub groups: Vec<u32>,
}

/// Parsed users by the words they were asked for with, valid while the files keep their stamps.
#[derive(Default)]
pub struct Users {
    stamps: [Stamp; 2],
    known: Vec<(String, User)>,
}

type Stamp = Option<(u64, i64, u64, i64)>;

impl Users {
    /// `user`, `root`, a passwd name, or `UID[:GID]`.
    pub fn find(&mut self, root: &Root, spec: &str) -> OpResult<User> {
        let stamps = [stamp(root, "/etc/passwd"), stamp(root, "/etc/group")];
        if stamps != self.stamps {
            self.stamps = stamps;
            self.known.clear();
        }
        if let Some((_, user)) = self.known.iter().find(|(name, _)| name == spec) {
            return Ok(user.clone());
        }
        let passwd = slurp(root, "/etc/passwd");
        let mut user = look_up(&passwd, spec).ok_or_else(|| OpError::invalid("unknown user"))?;
        user.groups = groups_of(&slurp(root, "/etc/group"), &user);
        if self.known.len() < 64 {
            self.known.push((spec.to_string(), user.clone()));
        }
        Ok(user)
    }
}

fn look_up(passwd: &str, spec: &str) -> Option<User> {
    let (uid, gid) = match spec.split_once(':') {
        Some((uid, gid)) => (Some(id(uid)?), Some(id(gid)?)),
        None => (id(spec), None),
    };
    let mut found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.len() < 6 {
            return None;
        }
        let user = User {
            name: fields[0].to_string(),
            uid: id(fields[2])?,
            gid: id(fields[3])?,
            home: fields[5].to_string(),
            groups: Vec::new(),
        };
        let wanted = uid.map_or(user.name == spec, |uid| uid == user.uid);
        let usable = !user.home.contains('\0') && !user.name.contains('\0');
        (wanted && usable).then_some(user)
    });
    if found.is_none() {
        found = builtin(spec, uid);
    }
    found.map(|user| User {
        gid: gid.unwrap_or(user.gid),
        ..user
    })
}

/// An image without passwd still has its two users and any number.
fn builtin(spec: &str, uid: Option<u32>) -> Option<User> {
    let (name, uid, home) = match (spec, uid) {
        ("root", _) => ("root".to_string(), 0, "/root"),
        ("user", _) => ("user".to_string(), DEFAULT_UID, "/home/user"),
        (_, Some(uid)) => (uid.to_string(), uid, "/"),
        _ => return None,
    };
    Some(User {
        name,
        uid,
        gid: uid,
        home: home.to_string(),
        groups: Vec::new(),
    })
}

fn groups_of(group: &str, user: &User) -> Vec<u32> {
    let mut groups = vec![user.gid];
    for line in group.lines() {
        let mut fields = line.split(':').skip(2);
        if let (Some(gid), Some(members)) = (fields.next().and_then(id), fields.next()) {
            let member = members.split(',').any(|name| name == user.name);
            if member && gid != user.gid && groups.len() < 32 {
                groups.push(gid);
            }
        }
    }
    groups
}

fn id(text: &str) -> Option<u32> {
    // u32::MAX means "unchanged" to the kernel.
    text.parse()
        .ok()
        .filter(|&id: &u32| id != u32::MAX && !text.starts_with('+'))
}

fn stamp(root: &Root, path: &str) -> Stamp {
    let stat = root.stat_raw(path).ok()?;
    Some((stat.st_ino, stat.st_mtime as i64, stat.st_mtime_nsec, stat.st_size))
}

fn slurp(root: &Root, path: &str) -> String {
    try_slurp(root, path).unwrap_or_default()
}

fn try_slurp(root: &Root, path: &str) -> io::Result<String> {
    let fd = root.open_raw(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let stat = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(String::new());
    }
    let mut bytes = vec![0; (stat.st_size as usize).min(MAX_FILE)];
    let mut length = 0;
    while length < bytes.len() {
        match io::read(&fd, &mut bytes[length..])? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/sh\nbad\n";

    #[test]
    fn finds_names_numbers_and_pairs() {
        assert_eq!(look_up(PASSWD, "root").unwrap().home, "/root");
        assert_eq!(look_up(PASSWD, "1000").unwrap().name, "user");
        let pair = look_up(PASSWD, "1000:5").unwrap();
        assert_eq!((pair.uid, pair.gid), (1000, 5));
        assert_eq!(look_up(PASSWD, "4242").unwrap().gid, 4242);
        assert_eq!(look_up("", "user").unwrap().uid, 1000);
        for bad in ["nobody-here", "", "-1", "1:x", "4294967295", "+5"] {
            assert!(look_up(PASSWD, bad).is_none(), "{}", bad);
        }
    }

    #[test]
    fn supplementary_groups_come_from_the_group_file() {
        let user = look_up(PASSWD, "user").unwrap();
        assert_eq!(groups_of("docker:x:99:a,user\nx:x:7:\n", &user), vec![1000, 99]);
    }
}
