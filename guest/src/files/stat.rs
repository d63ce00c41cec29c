//! stat and readlink.

use super::entry::{text_or_base64, Entry};
use super::path::SafePath;
use super::resolve::{kind_of, Root};
use crate::agent::streams::Reply;
use crate::error::{OpError, OpResult};
use crate::request::{self, Readlink, Stat};
use rustix::fs::FileType;
use rustix::io::Errno;
use serde::Serialize;

pub fn stat(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Stat = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let (fd, stat) = root.handle(&path, request.follow)?;
    let entry = Entry::new(path.name().as_bytes(), &stat).with_target(&fd, b"");
    Ok(Reply::Json(serde_json::to_vec(&entry).unwrap_or_default()))
}

#[derive(Serialize)]
struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_b64: Option<String>,
}

pub fn readlink(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Readlink = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let (fd, stat) = root.handle(&path, false)?;
    if kind_of(&stat) != FileType::Symlink {
        return Err(OpError::sys(Errno::INVAL, path.as_str()));
    }
    let target = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(|errno| OpError::sys(errno, path.as_str()))?;
    let (target, target_b64) = text_or_base64(target.as_bytes());
    let answer = Target { target, target_b64 };
    Ok(Reply::Json(serde_json::to_vec(&answer).unwrap_or_default()))
}
