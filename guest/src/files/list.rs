//! Directory pages, sorted by name. A page never costs more memory than its own entries, however large the directory.

use super::entry::Entry;
use super::path::SafePath;
use super::resolve::{kind_of, Root};
use crate::agent::streams::Reply;
use crate::base64;
use crate::error::{OpError, OpResult};
use crate::limits::MAX_JSON;
use crate::request::{self, List};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, OFlags, RawDir};
use rustix::io::{self, Errno};
use std::collections::BinaryHeap;
use std::mem::MaybeUninit;

const MAX_LIMIT: usize = 5_000;
/// Long names in escapes could overflow the message; such a page ends early instead.
const MAX_PAGE_BYTES: usize = MAX_JSON - 65_536;

pub fn list(root: &Root, json: &[u8]) -> OpResult<Reply> {
    let request: List = request::parse(json)?;
    if request.limit == 0 || request.limit > MAX_LIMIT {
        return Err(OpError::invalid("limit must be between 1 and 5000"));
    }
    let after = match &request.cursor {
        Some(cursor) => Some(base64::decode(cursor).ok_or_else(|| OpError::invalid("bad cursor"))?),
        None => None,
    };
    let path = SafePath::parse(&request.path)?;
    let fail = |errno| OpError::sys(errno, path.as_str());
    let (handle, stat) = root.handle(&path, true)?;
    if kind_of(&stat) != FileType::Directory {
        return Err(fail(Errno::NOTDIR));
    }
    let dir = root.reopen(&handle, OFlags::RDONLY | OFlags::DIRECTORY).map_err(fail)?;
    let (names, more) = page_names(&dir, after.as_deref(), request.limit).map_err(fail)?;
    Ok(Reply::Json(render(&dir, &names, more)))
}

/// The `limit` smallest names after `after`, in order, and whether there are more.
fn page_names(dir: &OwnedFd, after: Option<&[u8]>, limit: usize) -> io::Result<(Vec<Vec<u8>>, bool)> {
    let mut smallest: BinaryHeap<Vec<u8>> = BinaryHeap::new();
    let mut more = false;
    let mut buffer = vec![MaybeUninit::uninit(); 65_536];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let wanted = after.map_or(true, |after| name > after);
        if name == b"." || name == b".." || !wanted {
            continue;
        }
        if smallest.len() < limit {
            smallest.push(name.to_vec());
            continue;
        }
        more = true;
        if let Some(mut largest) = smallest.peek_mut() {
            if name < largest.as_slice() {
                *largest = name.to_vec();
            }
        }
    }
    Ok((smallest.into_sorted_vec(), more))
}

fn render(dir: &OwnedFd, names: &[Vec<u8>], more: bool) -> Vec<u8> {
    let mut json = br#"{"entries":["#.to_vec();
    let mut last = None;
    let mut cut = more;
    for name in names {
        // Gone since it was read: not an entry any more.
        if let Ok(stat) = rustix::fs::statat(dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            let entry = Entry::new(name, &stat).with_target(dir, name);
            let entry = serde_json::to_vec(&entry).unwrap_or_default();
            if json.len() + entry.len() > MAX_PAGE_BYTES {
                cut = true;
                break;
            }
            if json.last() == Some(&b'}') {
                json.push(b',');
            }
            json.extend_from_slice(&entry);
        }
        last = Some(name);
    }
    json.extend_from_slice(br#"],"next":"#);
    match last {
        Some(name) if cut => json.extend_from_slice(format!("\"{}\"", base64::encode(name)).as_bytes()),
        _ => json.extend_from_slice(b"null"),
    }
    json.push(b'}');
    json
}
