//! Kernel modules of the initramfs, in the order that its builder wrote down.

use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};
use std::ffi::CString;
use std::fs;

const DIR: &str = "/modules";

pub fn load() {
    let order = fs::read_to_string("/modules/order").unwrap_or_default();
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    for file in order.split_ascii_whitespace() {
        match insert(file, &parameters(file, &command_line)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => crate::log!("module {}: errno {}", file, errno.raw_os_error()),
        }
    }
    // They are in the kernel now; the initramfs copy is memory that the guest can use.
    let _ = fs::remove_dir_all(DIR);
}

fn insert(file: &str, parameters: &str) -> io::Result<()> {
    let path = format!("{}/{}", DIR, file);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let module = rustix::fs::open(path.as_str(), flags, Mode::empty())?;
    let parameters = CString::new(parameters).map_err(|_| Errno::INVAL)?;
    rustix::system::finit_module(module, &parameters, 0)
}

/// The kernel gives `name.key=value` of its command line to what is built in; for a module it is the loader's work.
/// Without ACPI this is how virtio_mmio learns of its devices.
fn parameters(file: &str, command_line: &str) -> String {
    let prefix = format!("{}.", file.trim_end_matches(".ko").replace('-', "_"));
    let words = command_line.split_ascii_whitespace();
    let own: Vec<&str> = words.filter_map(|word| word.strip_prefix(prefix.as_str())).collect();
    own.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_gets_its_own_parameters() {
        let line = "quiet virtio_mmio.device=512@0xfeb00000:5 x.y=1 virtio_mmio.device=512@0xfeb00200:6\n";
        let expected = "device=512@0xfeb00000:5 device=512@0xfeb00200:6";
        assert_eq!(parameters("virtio_mmio.ko", line), expected);
        assert_eq!(parameters("overlay.ko", line), "");
    }
}
