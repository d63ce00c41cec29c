//! The loopback interface is down in a fresh kernel.

use rustix::fd::AsRawFd;
use rustix::net::{socket_with, AddressFamily, SocketFlags, SocketType};

pub fn loopback_up() {
    let flags = SocketFlags::CLOEXEC;
    let socket = match socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None) {
        Ok(socket) => socket,
        Err(_) => return crate::log!("no network stack"),
    };
    // SAFETY: zeroed is a valid ifreq; the name is NUL-terminated by the zeros behind it.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request)
    };
    if result < 0 {
        crate::log!("lo cannot be brought up");
    }
}
