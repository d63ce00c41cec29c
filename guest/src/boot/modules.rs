//! Kernel modules of the initramfs, in the order that its builder wrote down.

use rustix::cstr;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;

const DIR: &str = "/modules";

pub fn load() {
    let order = fs::read_to_string("/modules/order").unwrap_or_default();
    for name in order.split_ascii_whitespace() {
        let path = format!("{}/{}", DIR, name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let loaded = rustix::fs::open(path.as_str(), flags, Mode::empty())
            .and_then(|file| rustix::system::finit_module(file, cstr!(""), 0));
        match loaded {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => crate::log!("module {}: errno {}", name, errno.raw_os_error()),
        }
    }
    // They are in the kernel now; the initramfs copy is memory that the guest can use.
    let _ = fs::remove_dir_all(DIR);
}
