//! Kernel modules of the initramfs, in the order that its builder wrote down.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs;

const DIR: &str = "/modules";

/// Parameters of a module on the kernel's command line: the kernel applies `name.key=value` to built-in code only, and
/// leaves it to whoever loads a module. Machines without ACPI announce their devices as `virtio_mmio.device=…`.
fn parameters(command_line: &str, module: &str) -> CString {
    let prefix = format!("{}.", module.replace('-', "_"));
    let mut found = String::new();
    for word in command_line.split_ascii_whitespace() {
        if let Some(parameter) = word.strip_prefix(prefix.as_str()) {
            found.push_str(parameter);
            found.push(' ');
        }
    }
    CString::new(found.trim_end()).unwrap_or_default()
}

pub fn load() {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let order = fs::read_to_string("/modules/order").unwrap_or_default();
    for name in order.split_ascii_whitespace() {
        let parameters = parameters(&command_line, name.split('.').next().unwrap_or(name));
        let path = format!("{}/{}", DIR, name);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let loaded = rustix::fs::open(path.as_str(), flags, Mode::empty())
            .and_then(|file| rustix::system::finit_module(file, &parameters, 0));
        match loaded {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => crate::log!("module {}: errno {}", name, errno.raw_os_error()),
        }
    }
    // They are in the kernel now; the initramfs copy is memory that the guest can use.
    let _ = fs::remove_dir_all(DIR);
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn a_module_gets_its_own_parameters_in_order() {
        let line = "console=ttyS0 virtio_mmio.device=512@0xfeb00e00:12 erofs.x=1 virtio_mmio.device=512@0xfeb00c00:11 virtio_mmiox.a=1";
        let found = parameters(line, "virtio_mmio");
        assert_eq!(found.to_str().unwrap(), "device=512@0xfeb00e00:12 device=512@0xfeb00c00:11");
        assert_eq!(parameters(line, "overlay").to_str().unwrap(), "");
    }
}
