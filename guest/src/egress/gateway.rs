//! Takes the connections of the machine's programs and hands them to the host, one stream each.

use super::refusals;
use super::steer::Steering;
use super::{address, OWN};
use crate::agent::core::Core;
use crate::agent::streams::{Op, Reply};
use crate::channel::frame::Type;
use crate::error::{Kind, OpError, OpResult};
use crate::limits::MAX_CONNECTIONS;
use crate::poll::Token;
use crate::request::{self, Accept};
use crate::tunnel::Tunnel;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, SocketAddrAny, SocketFlags, SocketType};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

const BACKLOG: i32 = 1_024;
const ACCEPTS_PER_TURN: usize = 64;

pub struct Gateway {
    listener: OwnedFd,
    steering: Steering,
    literals: Vec<Ipv4Addr>,
    /// Announced to the host, not yet asked for.
    waiting: BTreeMap<u32, OwnedFd>,
    announced: u32,
}

impl Gateway {
    pub fn open(literals: &[Ipv4Addr]) -> io::Result<Gateway> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // Inherited by the connections: a server of the guest's own may bind their ports on all addresses.
        net::sockopt::set_socket_reuseaddr(&listener, true)?;
        net::bind_v4(&listener, &SocketAddrV4::new(OWN, 0))?;
        net::listen(&listener, BACKLOG)?;
        add_all(literals)?;
        Ok(Gateway {
            steering: Steering::attach(&listener, literals)?,
            listener,
            literals: literals.to_vec(),
            waiting: BTreeMap::new(),
            announced: 0,
        })
    }

    pub fn listener(&self) -> &OwnedFd {
        &self.listener
    }

    /// Other addresses that rules name.
    pub fn steer(&mut self, literals: &[Ipv4Addr]) -> io::Result<()> {
        if literals == self.literals {
            return Ok(());
        }
        add_all(literals)?;
        // The new program is in place before the old one goes.
        self.steering = Steering::attach(&self.listener, literals)?;
        for gone in self.literals.iter().filter(|address| !literals.contains(address)) {
            let _ = address::remove(*gone, 32);
        }
        self.literals = literals.to_vec();
        Ok(())
    }

    pub fn drop_waiting(&mut self) {
        self.waiting.clear();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for address in &self.literals {
            let _ = address::remove(*address, 32);
        }
    }
}

fn add_all(literals: &[Ipv4Addr]) -> io::Result<()> {
    literals.iter().try_for_each(|address| address::add(*address, 32))
}

/// Somebody connects. Whatever cannot be carried is reset at once: a socket that is dropped here says so.
pub fn knock(core: &mut Core) {
    for _ in 0..ACCEPTS_PER_TURN {
        let gateway = match &core.egress.gateway {
            Some(gateway) => gateway,
            None => return,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match net::accept_with(&gateway.listener, flags) {
            Ok(socket) => socket,
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            Err(_) => return,
        };
        if let Some((address, port)) = prepare(&socket) {
            announce(core, socket, address, port);
        }
    }
}

/// The address that the program connected to. Until both directions have ended, closing the socket is a reset.
fn prepare(socket: &OwnedFd) -> Option<(Ipv4Addr, u16)> {
    net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).ok()?;
    net::sockopt::set_tcp_nodelay(socket, true).ok()?;
    match net::getsockname(socket) {
        Ok(SocketAddrAny::V4(address)) => Some((*address.ip(), address.port())),
        _ => None,
    }
}

fn announce(core: &mut Core, socket: OwnedFd, address: Ipv4Addr, port: u16) {
    let carried = core
        .streams
        .iter()
        .filter(|stream| matches!(stream.op, Op::Tunnel(_)))
        .count();
    let host = match core.egress.names.target(address, port) {
        Ok(host) => host,
        Err(name) => {
            let name = name.unwrap_or_else(|| address.to_string());
            return refusals::report(core, &name, Some(port));
        }
    };
    let (gateway, stream) = match (&mut core.egress.gateway, core.egress.stream) {
        (Some(gateway), Some(stream)) => (gateway, stream),
        _ => return,
    };
    if carried + gateway.waiting.len() >= MAX_CONNECTIONS {
        return;
    }
    gateway.announced = gateway.announced.wrapping_add(1);
    let id = gateway.announced;
    gateway.waiting.insert(id, socket);
    // A host holds only what is a name or an address: nothing in it needs escaping.
    let event = format!(
        r#"{{"event":"connection","connection":{},"host":"{}","port":{}}}"#,
        id, host, port
    );
    core.out.frame(Type::Event, stream, event.as_bytes());
}

/// The op `accept`: the stream carries an announced connection.
pub fn accept(core: &mut Core, id: u32, json: &[u8]) -> OpResult<Reply> {
    let request: Accept = request::parse(json)?;
    let waiting = core.egress.gateway.as_mut();
    let socket = waiting
        .and_then(|gateway| gateway.waiting.remove(&request.connection))
        .ok_or_else(|| OpError::new(Kind::NotFound, "the connection is gone"))?;
    core.poller
        .add_both(&socket, Token::Socket(id))
        .map_err(|errno| OpError::sys(errno, "accept"))?;
    Ok(Reply::Stream(Op::Tunnel(Tunnel::accepted(socket))))
}
