//! Readiness of descriptors, handed to the operations that own them.

use super::core::Core;
use super::dispatch;
use super::streams::{Op, Stream};
use crate::poll::Event;

impl Core {
    pub fn source_ready(&mut self, key: u32, is_stderr: bool, event: Event) {
        if let Some(process) = self.commands.get_mut(key) {
            let slot = if is_stderr {
                &mut process.stderr
            } else {
                &mut process.stdout
            };
            if let Some(source) = slot {
                source.readable |= event.readable;
                source.hangup |= event.hangup;
            }
            self.wake_command(key);
        }
    }

    pub fn resume_stdin(&mut self, key: u32) {
        let freed = dispatch::stdin(self, key, 0, |stdin, poller, key| Ok(stdin.resume(poller, key)));
        let stream = self.commands.get_mut(key).and_then(|process| process.stream);
        if let (Ok(freed @ 1..), Some(id)) = (freed, stream) {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.flow.free(&mut self.out, id, freed);
            }
        }
    }

    pub fn watch_ready(&mut self, id: u32) {
        if let Some(Stream {
            op: Op::Watch(watch), ..
        }) = self.streams.get_mut(id)
        {
            watch.ready();
            self.streams.wake(id);
        }
    }

    pub fn socket_ready(&mut self, id: u32, event: Event) {
        if let Some(Stream {
            op: Op::Tunnel(tunnel), ..
        }) = self.streams.get_mut(id)
        {
            tunnel.ready(event);
            self.streams.wake(id);
        }
    }
}
