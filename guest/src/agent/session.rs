//! Frames of a session, in the order they arrive.

use super::core::Core;
use super::dispatch;
use super::streams::{Op, Progress, Reply, Stream};
use crate::channel::frame::{Header, Type};
use crate::egress;
use crate::error::{Kind, OpError};
use crate::exec::timeout;
use crate::limits::{GENERATION, MAX_ASSEMBLING, MAX_JSON, MAX_STREAMS};
use crate::request::{self, Hello};
use crate::resume;

/// What the host is allowed to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// SYNC was seen; HELLO must follow.
    Greeting,
    Open,
}

/// The host broke the protocol; the agent waits for the next SYNC.
#[derive(Debug)]
pub struct Violation;

const CAPS: &str = r#"["exec","files","metrics","connect","freeze","egress"]"#;

pub fn frame(core: &mut Core, state: &mut State, header: Header, payload: &[u8]) -> Result<(), Violation> {
    match (header.kind, *state) {
        (Type::Hello, State::Greeting) => {
            welcome(core, payload)?;
            *state = State::Open;
        }
        (_, State::Greeting) | (Type::Hello, State::Open) => return Err(Violation),
        (Type::Resume, _) => match resume::resume(core, payload) {
            Ok(()) => core.out.frame(Type::Resumed, 0, b"{}"),
            Err(_) => return Err(Violation),
        },
        (Type::Request, _) => request(core, header, payload)?,
        (Type::Data, _) => data(core, header.stream, payload),
        (Type::End, _) => input(core, header.stream, end),
        (Type::Cancel, _) => input(core, header.stream, cancel),
        (Type::Credit, _) => credit(core, header.stream, payload),
        // The decoder has refused the types that only the guest sends.
        _ => return Err(Violation),
    }
    Ok(())
}

fn welcome(core: &mut Core, payload: &[u8]) -> Result<(), Violation> {
    let hello: Hello = request::parse(payload).map_err(|_| Violation)?;
    let is_hex = hello.nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hello.nonce.len() != 32 || !is_hex {
        return Err(Violation);
    }
    if hello.gen != GENERATION {
        crate::log!("the host speaks generation {}", hello.gen);
    }
    let welcome = format!(
        r#"{{"gen":{},"nonce":"{}","agent":"{}","caps":{}}}"#,
        GENERATION,
        hello.nonce,
        env!("CARGO_PKG_VERSION"),
        CAPS
    );
    core.out.sync();
    core.out.frame(Type::Welcome, 0, welcome.as_bytes());
    Ok(())
}

fn request(core: &mut Core, header: Header, payload: &[u8]) -> Result<(), Violation> {
    let id = header.stream;
    let mut json = match core.streams.take(id) {
        None => {
            if core.streams.len() >= MAX_STREAMS {
                core.fail(id, &OpError::new(Kind::Limit, "too many streams are open"));
                return Ok(());
            }
            if !header.more {
                dispatch::dispatch(core, id, payload);
                return Ok(());
            }
            Vec::new()
        }
        Some(Stream {
            op: Op::Assembling(json),
            ..
        }) => json,
        // A stream number in use twice: neither end can know what belongs to which.
        Some(_) => return Err(Violation),
    };
    if json.len() + payload.len() > MAX_JSON
        || core.streams.assembling_bytes() + json.len() + payload.len() > MAX_ASSEMBLING
    {
        return Err(Violation);
    }
    json.extend_from_slice(payload);
    if header.more {
        core.streams.open(id, Op::Assembling(json));
    } else {
        dispatch::dispatch(core, id, &json);
    }
    Ok(())
}

/// Opens the stream of a dispatched request, or closes it at once.
pub fn answer(core: &mut Core, id: u32, outcome: Result<Reply, OpError>) {
    match outcome {
        Ok(Reply::Json(json)) => core.out.result(id, &json),
        Ok(Reply::Stream(op)) => {
            core.streams.open(id, op);
            if let Some(Stream {
                flow,
                op: Op::Upload(_),
                ..
            }) = core.streams.get_mut(id)
            {
                flow.widen(&mut core.out, id, crate::limits::UPLOAD_WINDOW);
            }
            core.streams.wake(id);
        }
        Err(error) => core.fail(id, &error),
    }
}

fn credit(core: &mut Core, id: u32, payload: &[u8]) {
    if let (Some(stream), &[a, b, c, d]) = (core.streams.get_mut(id), payload) {
        stream.flow.grant(u32::from_le_bytes([a, b, c, d]));
        core.streams.wake(id);
    }
}

fn data(core: &mut Core, id: u32, payload: &[u8]) {
    input(core, id, |core, id, stream| {
        if !stream.flow.receive(payload.len()) {
            let error = OpError::new(Kind::Protocol, "data beyond the stream's credit");
            if let Op::Command(key) = stream.op {
                detach(core, key);
            }
            core.fail(id, &error);
            return Progress::Done;
        }
        let outcome = match &mut stream.op {
            Op::Upload(upload) => upload.data(payload).map(|()| payload.len() as u64),
            Op::Tunnel(tunnel) => Ok(tunnel.data(payload)),
            Op::Command(key) => {
                let unread = payload.len() as u64;
                dispatch::stdin(core, *key, unread, |stdin, poller, key| {
                    stdin.data(poller, key, payload)
                })
            }
            // Nothing of these takes input; it is consumed so that the host does not stall.
            _ => Ok(payload.len() as u64),
        };
        match outcome {
            Ok(freed) => {
                stream.flow.free(&mut core.out, id, freed);
                Progress::More
            }
            Err(error) => {
                if let Op::Command(key) = stream.op {
                    detach(core, key);
                }
                core.fail(id, &error);
                Progress::Done
            }
        }
    });
}

fn end(core: &mut Core, id: u32, stream: &mut Stream) -> Progress {
    match &mut stream.op {
        Op::Upload(upload) => {
            let outcome = upload.finish().map(Reply::Json);
            answer(core, id, outcome);
            Progress::Done
        }
        Op::Tunnel(tunnel) => {
            tunnel.end();
            Progress::More
        }
        Op::Command(key) => {
            let _ = dispatch::stdin(core, *key, 0, |stdin, poller, key| Ok(stdin.end(poller, key)));
            Progress::Idle
        }
        _ => Progress::Idle,
    }
}

fn cancel(core: &mut Core, id: u32, stream: &mut Stream) -> Progress {
    if let Op::Command(key) = stream.op {
        timeout::kill(core, key);
        // `let_go` may have found the stream absent while it is out for this turn.
        return Progress::More;
    }
    if let Op::Egress = stream.op {
        egress::end_session(core);
    }
    core.fail(id, &OpError::new(Kind::Cancelled, "cancelled"));
    Progress::Done
}

/// A command whose stream failed keeps running; `attach` finds it.
fn detach(core: &mut Core, key: u32) {
    if let Some(process) = core.commands.get_mut(key) {
        process.stream = None;
    }
}

/// Hands an input to a stream's operation. Frames of closed streams are dropped: both ends may close at once.
fn input<F>(core: &mut Core, id: u32, handle: F)
where
    F: FnOnce(&mut Core, u32, &mut Stream) -> Progress,
{
    if let Some(mut stream) = core.streams.take(id) {
        let progress = handle(core, id, &mut stream);
        if progress != Progress::Done {
            core.streams.put_back(id, stream);
            if progress == Progress::More {
                core.streams.wake(id);
            }
        }
    }
}
