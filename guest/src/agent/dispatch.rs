//! From the name of an operation to the code that does it.

use super::core::Core;
use super::session;
use super::streams::Reply;
use crate::error::{Kind, OpError, OpResult};
use crate::exec::stdin::{Stdin, Step};
use crate::exec::{command, control};
use crate::files::{change, list, read, remove, stat, watch, write};
use crate::poll::Poller;
use crate::{egress, freeze, memory, metrics, shares, tunnel};

pub fn dispatch(core: &mut Core, id: u32, json: &[u8]) {
    let outcome = start(core, id, json);
    session::answer(core, id, outcome);
}

fn start(core: &mut Core, id: u32, json: &[u8]) -> OpResult<Reply> {
    let name = crate::request::op_name(json)?;
    if matches!(&*name, "write" | "mkdir" | "remove" | "rename" | "chmod" | "symlink") {
        // A write to a frozen file system would block the whole agent, and with it the thaw.
        core.freezer.refuse_if_frozen()?;
    }
    match &*name {
        "exec" => command::exec(core, id, json),
        "signal" => control::signal(core, json),
        "resize" => control::resize(core, json),
        "ps" => control::ps(core, json),
        "attach" => control::attach(core, id, json),
        "read" => read::read(core, id, json),
        "write" => write::write(&core.root, json),
        "list" => list::list(&core.root, json),
        "stat" => stat::stat(&core.root, json),
        "watch" => watch::watch(core, id, json),
        "readlink" => stat::readlink(&core.root, json),
        "mkdir" => change::mkdir(&core.root, json),
        "rename" => change::rename(&core.root, json),
        "chmod" => change::chmod(&core.root, json),
        "symlink" => change::symlink(&core.root, json),
        "remove" => remove::remove(&core.root, json),
        "metrics" => metrics::metrics(core, json),
        "memory" => memory::memory(core, json),
        "connect" => tunnel::connect(core, id, json),
        "egress" => egress::egress(core, id, json),
        "accept" => egress::accept(core, id, json),
        "share" => shares::share(core, json),
        "freeze" => freeze::freeze(core, json),
        "thaw" => freeze::thaw(core, json),
        "sync" => freeze::sync(core, json),
        "shutdown" => freeze::shutdown(core, json),
        _ => Err(OpError::new(Kind::Unsupported, "unknown operation")),
    }
}

/// Acts on a command's stdin if it still has one; returns the credit that came free. What a command without stdin is
/// sent counts as consumed: `unread` bytes.
pub fn stdin<F>(core: &mut Core, key: u32, unread: u64, act: F) -> OpResult<u64>
where
    F: FnOnce(&mut Stdin, &Poller, u32) -> OpResult<Step>,
{
    let process = match core.commands.get_mut(key) {
        Some(process) => process,
        None => return Ok(unread),
    };
    match &mut process.stdin {
        Some(stdin) => {
            let step = act(stdin, &core.poller, key)?;
            if !step.open && !process.terminal {
                process.stdin = None;
            }
            Ok(step.freed)
        }
        None => Ok(unread),
    }
}
