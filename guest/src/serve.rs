//! `mvm-agent --serve-fd N [--root DIR] [--cgroup DIR]`: the protocol on an inherited descriptor, without a machine.
//! For tests only; commands run as processes of the machine it is started on.

use crate::files::resolve::Root;
use crate::{assemble, Parts};
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};

#[derive(Default)]
pub struct Options {
    fd: i32,
    root: String,
    cgroup: Option<String>,
}

/// None for an ordinary start; the kernel passes words of its command line that it does not know to PID 1.
pub fn arguments() -> Option<Options> {
    if std::process::id() == 1 {
        return None;
    }
    let mut words = std::env::args().skip(1);
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--serve-fd" => options.fd = value.parse().ok()?,
            "--root" => options.root = value.trim_end_matches('/').to_string(),
            "--cgroup" => options.cgroup = Some(value),
            _ => return None,
        }
    }
    (options.fd > 2).then_some(options)
}

pub fn serve(options: Options) {
    crate::log::to_stderr();
    // SAFETY: the caller handed over this descriptor for this purpose.
    let port = unsafe { OwnedFd::from_raw_fd(options.fd) };
    rustix::io::fcntl_setfd(&port, rustix::io::FdFlags::CLOEXEC).expect("the descriptor is open");
    rustix::fs::fcntl_setfl(&port, OFlags::NONBLOCK).expect("the descriptor is open");
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let cgroup = options
        .cgroup
        .map(|path| rustix::fs::open(path.as_str(), directory, Mode::empty()).expect("cgroup"));
    let parts = Parts {
        root: Root::open(&options.root).expect("root"),
        cgroup,
        disk: None,
        is_init: false,
    };
    let _ = assemble(parts, port).run();
}
