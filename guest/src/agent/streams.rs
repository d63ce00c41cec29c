//! Open streams and what each of them is doing.

pub use super::flow::Flow;
use crate::files::read::Download;
use crate::files::remove::Removal;
use crate::files::watch::Watch;
use crate::files::write::Upload;
use crate::memory::Shrink;
use crate::tunnel::Tunnel;
use std::collections::{BTreeMap, VecDeque};

pub enum Op {
    /// REQUEST frames with MORE, so far.
    Assembling(Vec<u8>),
    /// A command, by its key; it outlives the stream.
    Command(u32),
    Download(Download),
    Upload(Upload),
    Removal(Removal),
    Shrink(Shrink),
    Tunnel(Tunnel),
    /// Tells the host of connections that want out.
    Egress,
    Watch(Box<Watch>),
}

pub struct Stream {
    pub flow: Flow,
    pub op: Op,
    queued: bool,
}

/// What an operation answers at once.
pub enum Reply {
    Json(Vec<u8>),
    Stream(Op),
}

impl Reply {
    pub fn empty() -> Reply {
        Reply::Json(b"{}".to_vec())
    }
}

/// What one turn of a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was sent or done; there may be more.
    More,
    /// Nothing to do until an event.
    Idle,
    /// RESULT or ERROR is on its way; the stream is closed.
    Done,
}

#[derive(Default)]
pub struct Streams {
    map: BTreeMap<u32, Stream>,
    /// Round-robin order of those that may have something to send.
    turns: VecDeque<u32>,
}

impl Streams {
    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn contains(&self, id: u32) -> bool {
        self.map.contains_key(&id)
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.map.get_mut(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.map.values()
    }

    pub fn open(&mut self, id: u32, op: Op) {
        let stream = Stream {
            flow: Flow::new(),
            op,
            queued: false,
        };
        self.map.insert(id, stream);
    }

    /// Takes a stream out for a turn, so that it and the rest of the agent can both be changed.
    pub fn take(&mut self, id: u32) -> Option<Stream> {
        self.map.remove(&id)
    }

    pub fn put_back(&mut self, id: u32, stream: Stream) {
        self.map.insert(id, stream);
    }

    pub fn forget(&mut self, id: u32) {
        self.map.remove(&id);
    }

    pub fn wake(&mut self, id: u32) {
        if let Some(stream) = self.map.get_mut(&id) {
            if !stream.queued {
                stream.queued = true;
                self.turns.push_back(id);
            }
        }
    }

    pub fn next_turn(&mut self) -> Option<u32> {
        while let Some(id) = self.turns.pop_front() {
            if let Some(stream) = self.map.get_mut(&id) {
                stream.queued = false;
                return Some(id);
            }
        }
        None
    }

    pub fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    pub fn assembling_bytes(&self) -> usize {
        let lengths = self.map.values().map(|stream| match &stream.op {
            Op::Assembling(json) => json.len(),
            _ => 0,
        });
        lengths.sum()
    }

    /// The session is over. Dropping an upload removes its temporary file, dropping a tunnel closes its socket.
    pub fn clear(&mut self) {
        self.map.clear();
        self.turns.clear();
    }
}
