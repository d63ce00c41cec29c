//! The machine's resolver: a UDP socket that knows the allowed names and no others.

use super::{dns, OWN};
use crate::agent::core::Core;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::SocketAddrV4;

/// A query without EDNS is at most 512 bytes; with it some more.
const QUERY_MAX: usize = 2_048;
const QUERIES_PER_TURN: usize = 64;
const PORT: u16 = 53;

pub struct Resolver {
    socket: OwnedFd,
}

impl Resolver {
    pub fn open() -> io::Result<Resolver> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        // A name server of the guest's own can still bind the port on all addresses, if it also asks for that.
        net::sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind_v4(&socket, &SocketAddrV4::new(OWN, PORT))?;
        Ok(Resolver { socket })
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }
}

/// Answers what has arrived, a bounded number at a time.
pub fn query(core: &mut Core) {
    for _ in 0..QUERIES_PER_TURN {
        let egress = &mut core.egress;
        let resolver = match &egress.resolver {
            Some(resolver) => resolver,
            None => return,
        };
        let mut query = [0; QUERY_MAX];
        let (length, from) = match net::recvfrom(&resolver.socket, &mut query, RecvFlags::empty()) {
            Ok((length, Some(from))) => (length, from),
            Ok(_) | Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        let names = &mut egress.names;
        let mut refused = None;
        let reply = dns::answer(&query[..length], |name| {
            let address = names.resolve(name);
            if address.is_none() {
                refused = Some(name.to_string());
            }
            address
        });
        if let Some(reply) = reply {
            let _ = net::sendto_any(&resolver.socket, &reply, SendFlags::empty(), &from);
        }
        if let Some(name) = refused {
            super::refusals::report(core, &name, None);
        }
    }
}
