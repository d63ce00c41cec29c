//! share: directories of the host as file systems of the machine.
//!
//! The kernel asks about them through FUSE, and what it asks is answered by the host. A process of its own carries the
//! questions over a port of their own (`relay`), because the agent itself, or a child that borrows its memory, may be
//! the one who waits for an answer.

mod relay;

use crate::agent::core::Core;
use crate::agent::streams::Reply;
use crate::channel::port;
use crate::error::{Kind, OpError, OpResult};
use crate::request::{self, Share, SharedDirectory};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};
use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};
use rustix::process::{pidfd_send_signal, Signal};
use std::fs;

const PORT: &str = "mvm.shares.0";
/// What one read of a file asks the host for at most; the host's answer to INIT bounds writes.
const MAX_READ: usize = 131_072;
const MAX_SHARES: usize = 32;

#[derive(Default)]
pub struct Shares {
    relay: Option<OwnedFd>,
    paths: Vec<String>,
}

/// Puts the directories where they belong, in place of those of a former session.
pub fn share(core: &mut Core, json: &[u8]) -> OpResult<Reply> {
    let request: Share = request::parse(json)?;
    if !core.is_init {
        return Err(OpError::new(Kind::Unsupported, "only a machine has shared directories"));
    }
    if request.shares.len() > MAX_SHARES {
        return Err(OpError::new(Kind::Limit, "too many shared directories"));
    }
    core.shares.stop();
    // A relay that was killed holds the port until it is really gone, and could unmount what is mounted next.
    let port = port::open(PORT).ok_or_else(|| OpError::new(Kind::Unavailable, "the port of the shares is missing"))?;
    core.shares.detach();
    let mut devices = Vec::new();
    for directory in &request.shares {
        devices.push(attach(directory).map_err(|errno| OpError::sys(errno, "share"))?);
        core.shares.paths.push(directory.path.clone());
    }
    let started = relay::start(port, devices, &core.shares.paths);
    core.shares.relay = Some(started.map_err(|errno| OpError::sys(errno, "share"))?);
    Ok(Reply::empty())
}

impl Shares {
    fn stop(&mut self) {
        if let Some(relay) = self.relay.take() {
            let _ = pidfd_send_signal(&relay, Signal::Kill);
        }
    }

    fn detach(&mut self) {
        for path in self.paths.drain(..) {
            let _ = unmount(path.as_str(), UnmountFlags::DETACH);
        }
    }
}

/// Mounts one directory; returns the device through which the kernel asks about it. Nothing is asked yet.
fn attach(directory: &SharedDirectory) -> io::Result<OwnedFd> {
    if !directory.path.starts_with('/') {
        return Err(Errno::INVAL);
    }
    fs::create_dir_all(&directory.path).map_err(|error| {
        error
            .raw_os_error()
            .map_or(Errno::IO, |code| Errno::from_raw_os_error(code))
    })?;
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let device = rustix::fs::open("/dev/fuse", flags, Mode::empty())?;
    let options = format!(
        "fd={},rootmode=40755,user_id=0,group_id=0,allow_other,max_read={}",
        device.as_raw_fd(),
        MAX_READ
    );
    let access = match directory.read_only {
        true => MountFlags::RDONLY,
        false => MountFlags::empty(),
    };
    let flags = MountFlags::NOSUID | MountFlags::NODEV | access;
    mount("mvm-share", directory.path.as_str(), "fuse", flags, options.as_str())?;
    Ok(device)
}
