//! Addresses of the loopback interface, by netlink. On loopback an address with a prefix makes the whole network local.

use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{self, Errno};
use std::net::Ipv4Addr;

const LOOPBACK_INDEX: u32 = 1;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const REQUEST: u16 = 0x01;
const ACK: u16 = 0x04;
const REPLACE: u16 = 0x100;
const CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const SCOPE_HOST: u8 = 254;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Adding what is there already is no error.
pub fn add(address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    request(RTM_NEWADDR, REQUEST | ACK | CREATE | REPLACE, address, prefix)
}

pub fn remove(address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    request(RTM_DELADDR, REQUEST | ACK, address, prefix)
}

fn request(kind: u16, flags: u16, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let socket = open()?;
    let message = message(kind, flags, address, prefix);
    io::write(&socket, &message)?;
    let mut reply = [0; 256];
    let length = io::read(&socket, &mut reply)?;
    match (length >= 20, u16::from_ne_bytes([reply[4], reply[5]])) {
        (true, NLMSG_ERROR) => match i32::from_ne_bytes([reply[16], reply[17], reply[18], reply[19]]) {
            0 => Ok(()),
            code => Err(Errno::from_raw_os_error(-code)),
        },
        _ => Err(Errno::IO),
    }
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor is new and has no other owner.
    unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
        if fd < 0 {
            return Err(Errno::from_raw_os_error(*libc::__errno_location()));
        }
        let socket = OwnedFd::from_raw_fd(fd);
        debug_assert!(socket.as_raw_fd() >= 0);
        Ok(socket)
    }
}

fn message(kind: u16, flags: u16, address: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    bytes.extend_from_slice(&40u32.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    // Sequence number and sender: one request, one answer, on a socket of its own.
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[libc::AF_INET as u8, prefix, 0, SCOPE_HOST]);
    bytes.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        bytes.extend_from_slice(&8u16.to_ne_bytes());
        bytes.extend_from_slice(&attribute.to_ne_bytes());
        bytes.extend_from_slice(&address.octets());
    }
    bytes
}
