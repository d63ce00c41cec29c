//! Changes as lines of JSON, and how many of them may wait.

use crate::agent::streams::Flow;
use crate::channel::frame::Type;
use crate::channel::outbox::Outbox;
use crate::files::entry::text_or_base64;
use crate::limits::{DATA_CHUNK, MAX_WATCH_LINES};
use serde::Serialize;

#[derive(Serialize)]
struct Change<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_b64: Option<String>,
    directory: bool,
}

/// Paths are relative to what is watched on the way in, absolute on the way out.
pub struct Lines {
    base: String,
    waiting: Vec<u8>,
    at: usize,
    lost: bool,
}

impl Lines {
    pub fn new(base: &str) -> Lines {
        Lines {
            base: base.to_string(),
            waiting: Vec::new(),
            at: 0,
            lost: false,
        }
    }

    pub fn change(&mut self, event: &str, name: &[u8], directory: bool) {
        let (path, path_b64) = text_or_base64(&self.absolute(name));
        self.push(&Change {
            event,
            path,
            path_b64,
            from: None,
            from_b64: None,
            directory,
        });
    }

    pub fn renamed(&mut self, from: &[u8], to: &[u8], directory: bool) {
        let (path, path_b64) = text_or_base64(&self.absolute(to));
        let (from, from_b64) = text_or_base64(&self.absolute(from));
        self.push(&Change {
            event: "renamed",
            path,
            path_b64,
            from,
            from_b64,
            directory,
        });
    }

    /// Something was missed; said once, when there is room again.
    pub fn overflow(&mut self) {
        self.lost = true;
    }

    /// True when nothing waits any more.
    pub fn send(&mut self, out: &mut Outbox, stream: u32, flow: &mut Flow) -> bool {
        if self.lost && self.at == self.waiting.len() {
            self.lost = false;
            self.waiting.extend_from_slice(b"{\"event\":\"overflow\"}\n");
        }
        while self.at < self.waiting.len() && flow.credit > 0 && out.has_room() {
            let count = (self.waiting.len() - self.at).min(DATA_CHUNK).min(flow.credit as usize);
            out.frame(Type::Data, stream, &self.waiting[self.at..self.at + count]);
            flow.credit -= count as u64;
            self.at += count;
        }
        let done = self.at == self.waiting.len();
        if done {
            self.waiting.clear();
            self.at = 0;
        }
        done
    }

    fn push(&mut self, change: &Change) {
        if self.waiting.len() > MAX_WATCH_LINES {
            return self.overflow();
        }
        let mut line = serde_json::to_vec(change).unwrap_or_default();
        line.push(b'\n');
        // Several writes to one file in a row are one change to whoever has not heard of the first yet.
        if !self.waiting[self.at..].ends_with(&line) {
            self.waiting.extend_from_slice(&line);
        }
    }

    fn absolute(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.base.as_bytes().to_vec();
        if !name.is_empty() {
            if path != b"/" {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }
}
