//! egress: the way out of a machine without a network card (docs/egress.md).
//!
//! Names that the policy allows get addresses of 198.18.0.0/15, connections to these become streams of the channel.
//! Nothing here protects the host: it decides again about every connection. What is here makes refusals quick.

mod address;
mod dns;
mod gateway;
mod names;
mod refusals;
mod resolv_conf;
mod resolver;
mod steer;

pub use gateway::{accept, knock};
pub use resolver::query;

use crate::agent::core::Core;
use crate::agent::streams::{Op, Reply};
use crate::channel::frame::Type;
use crate::error::{Kind, OpError, OpResult};
use crate::poll::Token;
use crate::request::{self, EgressRequest};
use gateway::Gateway;
use names::Names;
use refusals::Refusals;
use resolver::Resolver;
use rustix::io;
use std::net::Ipv4Addr;

/// Where the resolver answers; also the source address of every connection.
const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const PREFIX: u8 = 15;

#[derive(Default)]
pub struct Egress {
    names: Names,
    gateway: Option<Gateway>,
    resolver: Option<Resolver>,
    /// The host's stream that hears of connections.
    stream: Option<u32>,
    refusals: Refusals,
}

/// The op `egress`: from now on these names are answered, and this stream hears of connections to them.
pub fn egress(core: &mut Core, id: u32, json: &[u8]) -> OpResult<Reply> {
    let request: EgressRequest = request::parse(json)?;
    let rules = request.allow.iter().map(|rule| (rule.host.as_str(), rule.port));
    let names = core.egress.names.replaced(rules).map_err(OpError::invalid)?;
    if !core.is_init {
        return Err(OpError::new(
            Kind::Unsupported,
            "only a machine has a network of its own",
        ));
    }
    // /etc/resolv.conf is on the disk.
    core.freezer.refuse_if_frozen()?;
    core.egress.names = names;
    let outcome = match core.egress.names.is_empty() {
        true => {
            close(core);
            Ok(())
        }
        false => open(core),
    };
    outcome.map_err(|errno| OpError::sys(errno, "egress"))?;
    if let Some(before) = core.egress.stream.replace(id) {
        core.streams.forget(before);
        core.out.result(before, b"{}");
    }
    core.out.frame(Type::Event, id, br#"{"event":"listening"}"#);
    Ok(Reply::Stream(Op::Egress))
}

/// A machine that grew from a snapshot has no way out until its host opens one.
pub fn reset(core: &mut Core) {
    core.egress.names = core.egress.names.replaced(std::iter::empty()).unwrap_or_default();
    close(core);
}

/// The host is away: nobody could carry what comes.
pub fn end_session(core: &mut Core) {
    core.egress.stream = None;
    if let Some(gateway) = &mut core.egress.gateway {
        gateway.drop_waiting();
    }
}

fn open(core: &mut Core) -> io::Result<()> {
    address::add(OWN, PREFIX)?;
    let literals = core.egress.names.literals();
    match &mut core.egress.gateway {
        Some(gateway) => gateway.steer(&literals)?,
        None => {
            let gateway = Gateway::open(&literals)?;
            core.poller.add_level(gateway.listener(), Token::Gateway)?;
            core.egress.gateway = Some(gateway);
        }
    }
    if core.egress.resolver.is_none() {
        let resolver = Resolver::open()?;
        core.poller.add_level(resolver.socket(), Token::Resolver)?;
        core.egress.resolver = Some(resolver);
    }
    resolv_conf::write(&core.root)
}

fn close(core: &mut Core) {
    if core.egress.gateway.take().is_none() {
        return;
    }
    core.egress.resolver = None;
    let _ = address::remove(OWN, PREFIX);
    if resolv_conf::clear(&core.root).is_err() {
        crate::log!("resolv.conf cannot be cleared");
    }
}
