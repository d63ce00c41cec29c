//! mkdir, rename, chmod and symlink.

use super::path::{SafePath, HOME};
use super::resolve::{chown_at, kind_of, refuse_special, Root};
use crate::agent::streams::Reply;
use crate::error::{Kind, OpError, OpResult};
use crate::request::{self, Chmod, Mkdir, Rename, Symlink};
use rustix::fs::{FileType, RenameFlags};
use rustix::io::Errno;

pub fn mkdir(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Mkdir = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let created = if path.is_root() {
        false
    } else {
        if request.parents {
            root.make_parent(&path)?;
        }
        root.make_dir(&path, request.mode)?
    };
    if !created {
        let (_, stat) = root.handle(&path, true)?;
        if !request.exist_ok || kind_of(&stat) != FileType::Directory {
            return Err(OpError::sys(Errno::EXIST, path.as_str()));
        }
    }
    Ok(Reply::Json(format!(r#"{{"created":{}}}"#, created).into_bytes()))
}

pub fn rename(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Rename = request::parse(json)?;
    let from = SafePath::parse(&request.from)?;
    let to = SafePath::parse(&request.to)?;
    if [&from, &to].iter().any(|path| path.as_str() == HOME) {
        return Err(OpError::new(Kind::Denied, "the home directory stays where it is"));
    }
    let (from_dir, from_name) = root.parent(&from)?;
    let (to_dir, to_name) = root.parent(&to)?;
    if from.must_be_dir {
        root.handle(&from, false)?;
    }
    let flags = if request.overwrite {
        RenameFlags::empty()
    } else {
        RenameFlags::NOREPLACE
    };
    rustix::fs::renameat_with(&from_dir, from_name, &to_dir, to_name, flags)
        .map_err(|errno| OpError::sys(errno, from.as_str()))?;
    Ok(Reply::empty())
}

pub fn chmod(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Chmod = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let (handle, stat) = root.handle(&path, true)?;
    refuse_special(&stat, path.as_str())?;
    root.chmod(&handle, request.mode)
        .map_err(|errno| OpError::sys(errno, path.as_str()))?;
    Ok(Reply::empty())
}

pub fn symlink(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: Symlink = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    if request.target.is_empty() || request.target.contains('\0') || request.target.len() > 4_095 {
        return Err(OpError::invalid("bad link target"));
    }
    let fail = |errno| OpError::sys(errno, path.as_str());
    let (dir, name) = root.parent(&path)?;
    rustix::fs::symlinkat(request.target.as_str(), &dir, name).map_err(fail)?;
    chown_at(&dir, name).map_err(fail)?;
    Ok(Reply::empty())
}
