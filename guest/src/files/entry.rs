//! How a file looks in an answer.

use super::resolve::kind_of;
use crate::base64;
use rustix::fd::AsFd;
use rustix::fs::{FileType, Stat};
use serde::Serialize;

#[derive(Serialize)]
pub struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_b64: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_b64: Option<String>,
}

impl Entry {
    pub fn new(name: &[u8], stat: &Stat) -> Entry {
        let (name, name_b64) = text_or_base64(name);
        Entry {
            name,
            name_b64,
            kind: kind_name(stat),
            size: stat.st_size as u64,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime_ms: mtime_ms(stat),
            target: None,
            target_b64: None,
        }
    }

    /// Adds where a symbolic link points; `name` is relative to `dir`, or empty for `dir` itself.
    pub fn with_target<Fd: AsFd>(mut self, dir: Fd, name: &[u8]) -> Entry {
        if self.kind == "symlink" {
            if let Ok(target) = rustix::fs::readlinkat(dir, name, Vec::new()) {
                let (text, b64) = text_or_base64(target.as_bytes());
                self.target = text;
                self.target_b64 = b64;
            }
        }
        self
    }
}

pub fn mtime_ms(stat: &Stat) -> i64 {
    (stat.st_mtime as i64)
        .saturating_mul(1_000)
        .saturating_add(stat.st_mtime_nsec as i64 / 1_000_000)
}

pub fn text_or_base64(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_string()), None),
        Err(_) => (None, Some(base64::encode(bytes))),
    }
}

fn kind_name(stat: &Stat) -> &'static str {
    match kind_of(stat) {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        _ => "device",
    }
}
