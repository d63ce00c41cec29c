//! Downloads: the kernel reads straight into the outgoing frame.

use super::entry::mtime_ms;
use super::path::SafePath;
use super::resolve::{kind_of, refuse_special};
use crate::agent::core::Core;
use crate::agent::streams::{Flow, Op, Progress, Reply};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::error::{OpError, OpResult, Outcome};
use crate::limits::DATA_CHUNK;
use crate::request::{self, Read};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, OFlags};
use rustix::io::{self, Errno};

pub struct Download {
    file: OwnedFd,
    path: String,
    offset: u64,
    left: u64,
    sent: u64,
}

pub fn read(core: &mut Core, stream: u32, json: &[u8]) -> OpResult<Reply> {
    let request: Read = request::parse(json)?;
    let path = SafePath::parse(&request.path)?;
    let fail = |errno| OpError::sys(errno, path.as_str());
    let (handle, stat) = core.root.handle(&path, true)?;
    refuse_special(&stat, path.as_str())?;
    if kind_of(&stat) == FileType::Directory {
        return Err(fail(Errno::ISDIR));
    }
    let file = core.root.reopen(&handle, OFlags::RDONLY).map_err(fail)?;
    let event = format!(
        r#"{{"event":"file","size":{},"mode":{},"mtime_ms":{}}}"#,
        stat.st_size,
        stat.st_mode & 0o7777,
        mtime_ms(&stat)
    );
    core.out.frame(Type::Event, stream, event.as_bytes());
    Ok(Reply::Stream(Op::Download(Download {
        file,
        path: path.as_str().to_string(),
        offset: request.offset,
        left: request.length.unwrap_or(u64::MAX),
        sent: 0,
    })))
}

impl Download {
    pub fn pump(&mut self, out: &mut Outbox, stream: u32, flow: &mut Flow) -> Progress {
        let max = self.left.min(DATA_CHUNK as u64);
        if max == 0 {
            return self.finish(out, stream);
        }
        let max = max.min(flow.credit);
        if max == 0 {
            return Progress::Idle;
        }
        let (file, offset) = (&self.file, self.offset);
        let outcome = out.fill(Type::Data, stream, max as usize, |spare| {
            io::pread_uninit(file, spare, offset).map(|(read, _)| read.len())
        });
        match outcome {
            Ok(0) => self.finish(out, stream),
            Ok(count) => {
                let count = count as u64;
                self.offset = self.offset.saturating_add(count);
                self.left -= count;
                self.sent += count;
                flow.credit -= count;
                Progress::More
            }
            Err(Errno::INTR) => Progress::More,
            // An offset beyond what a file can have is past its end.
            Err(Errno::INVAL) if self.offset > i64::MAX as u64 => self.finish(out, stream),
            Err(errno) => {
                let error = OpError::sys(errno, &self.path).outcome(Outcome::Unknown);
                out.frame(Type::Error, stream, &error.json());
                Progress::Done
            }
        }
    }

    fn finish(&self, out: &mut Outbox, stream: u32) -> Progress {
        out.frame(Type::End, stream, b"");
        out.result(stream, format!(r#"{{"bytes":{}}}"#, self.sent).as_bytes());
        Progress::Done
    }
}
