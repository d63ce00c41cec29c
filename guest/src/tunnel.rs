//! connect: a TCP connection to the guest's loopback, carried in a stream.

use crate::agent::core::Core;
use crate::agent::streams::{Flow, Op, Progress, Reply};
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::error::{Kind, OpError, OpResult, Outcome};
use crate::limits::DATA_CHUNK;
use crate::pending::Pending;
use crate::poll::{Event, Token};
use crate::request::{self, Connect};
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::{self, AddressFamily, Shutdown, SocketFlags, SocketType};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

pub struct Tunnel {
    socket: OwnedFd,
    connected: bool,
    readable: bool,
    writable: bool,
    /// Towards the guest's program.
    inbound: Pending,
    inbound_ended: bool,
    shut: bool,
    outbound_ended: bool,
    failed: Option<Errno>,
}

pub fn connect(core: &mut Core, stream: u32, json: &[u8]) -> OpResult<Reply> {
    let request: Connect = request::parse(json)?;
    if request.port == 0 {
        return Err(OpError::invalid("port 0 cannot be connected to"));
    }
    let socket = dial(request.port).map_err(refused)?;
    core.poller
        .add_both(&socket, Token::Socket(stream))
        .map_err(|errno| OpError::sys(errno, "connect"))?;
    Ok(Reply::Stream(Op::Tunnel(Tunnel::new(socket))))
}

impl Tunnel {
    /// A connection that a program of the machine has made.
    pub fn accepted(socket: OwnedFd) -> Tunnel {
        Tunnel {
            connected: true,
            ..Tunnel::new(socket)
        }
    }

    fn new(socket: OwnedFd) -> Tunnel {
        Tunnel {
            socket,
            connected: false,
            readable: false,
            writable: false,
            inbound: Pending::default(),
            inbound_ended: false,
            shut: false,
            outbound_ended: false,
            failed: None,
        }
    }
}

/// IPv4 first; some servers listen on ::1 only. On loopback a refusal is known as soon as `connect` returns.
fn dial(port: u16) -> io::Result<OwnedFd> {
    let socket = open(AddressFamily::INET)?;
    let begun = net::connect_v4(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    match settled(&socket, begun) {
        Err(Errno::CONNREFUSED) => {
            let socket = open(AddressFamily::INET6)?;
            let address = SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
            let begun = net::connect_v6(&socket, &address);
            match settled(&socket, begun) {
                Ok(()) => Ok(socket),
                // Whatever is wrong with IPv6, the answer is that nothing listens.
                Err(_) => Err(Errno::CONNREFUSED),
            }
        }
        Err(errno) => Err(errno),
        Ok(()) => Ok(socket),
    }
}

fn open(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    net::sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

fn settled(socket: &OwnedFd, begun: io::Result<()>) -> io::Result<()> {
    match begun {
        Ok(()) => Ok(()),
        Err(Errno::INPROGRESS) => net::sockopt::get_socket_error(socket)?,
        Err(errno) => Err(errno),
    }
}

fn refused(errno: Errno) -> OpError {
    let mut error = OpError::sys(errno, "connect");
    error.kind = Kind::Unavailable;
    error
}

impl Tunnel {
    pub fn ready(&mut self, event: Event) {
        self.readable |= event.readable || event.hangup;
        self.writable |= event.writable;
    }

    /// From the host. Returns the credit that came free.
    pub fn data(&mut self, bytes: &[u8]) -> u64 {
        if self.shut || self.failed.is_some() {
            return bytes.len() as u64;
        }
        let sent = match self.connected {
            true => self.inbound.send(&self.socket, bytes),
            false => self.inbound.hold(bytes),
        };
        match sent {
            Ok(sent) => sent as u64,
            Err(errno) => {
                self.failed = Some(errno);
                bytes.len() as u64
            }
        }
    }

    pub fn end(&mut self) {
        self.inbound_ended = true;
    }

    pub fn pump(&mut self, out: &mut Outbox, stream: u32, flow: &mut Flow) -> Progress {
        if !self.connected {
            if !self.writable {
                return Progress::Idle;
            }
            match net::sockopt::get_socket_error(&self.socket) {
                Ok(Ok(())) => {
                    self.connected = true;
                    out.frame(Type::Event, stream, br#"{"event":"connected"}"#);
                }
                Ok(Err(errno)) | Err(errno) => {
                    out.frame(Type::Error, stream, &refused(errno).json());
                    return Progress::Done;
                }
            }
        }
        self.drain(out, stream, flow);
        let sent = self.receive(out, stream, flow);
        if let Some(errno) = self.failed {
            let error = OpError::sys(errno, "connection").outcome(Outcome::Unknown);
            out.frame(Type::Error, stream, &error.json());
            return Progress::Done;
        }
        if self.shut && self.outbound_ended {
            // An orderly end: closing the socket is no reset any more.
            let _ = net::sockopt::set_socket_linger(&self.socket, None);
            out.result(stream, b"{}");
            return Progress::Done;
        }
        if sent {
            Progress::More
        } else {
            Progress::Idle
        }
    }

    fn drain(&mut self, out: &mut Outbox, stream: u32, flow: &mut Flow) {
        match self.inbound.drain(&self.socket) {
            Ok(0) => {}
            Ok(sent) => flow.free(out, stream, sent as u64),
            Err(errno) => self.failed = Some(errno),
        }
        if self.inbound_ended && !self.shut && self.inbound.len() == 0 {
            let _ = net::shutdown(&self.socket, Shutdown::Write);
            self.shut = true;
        }
    }

    fn receive(&mut self, out: &mut Outbox, stream: u32, flow: &mut Flow) -> bool {
        let max = DATA_CHUNK.min(flow.credit as usize);
        if !self.readable || self.outbound_ended || max == 0 {
            return false;
        }
        let socket = &self.socket;
        let outcome = out.fill(Type::Data, stream, max, |spare| {
            io::read_uninit(socket, spare).map(|(read, _)| read.len())
        });
        match outcome {
            Ok(0) => {
                self.outbound_ended = true;
                out.frame(Type::End, stream, b"");
                false
            }
            Ok(count) => {
                flow.credit -= count as u64;
                true
            }
            Err(Errno::AGAIN) => {
                self.readable = false;
                false
            }
            Err(Errno::INTR) => true,
            Err(errno) => {
                self.failed = Some(errno);
                false
            }
        }
    }
}
