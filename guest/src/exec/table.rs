//! All commands by a key of the agent's own: a pid may belong to someone else while a command's output still drains.

use super::process::Process;
use crate::error::{Kind, OpError, OpResult};
use crate::limits::{FINISHED_KEPT, MAX_COMMANDS};
use std::collections::{BTreeMap, VecDeque};

#[derive(Default)]
pub struct Table {
    map: BTreeMap<u32, Process>,
    last_key: u32,
    /// RESULTs that were sent; the session may have died before the host read them.
    finished: VecDeque<(u32, Vec<u8>)>,
}

impl Table {
    pub fn get_mut(&mut self, key: u32) -> Option<&mut Process> {
        self.map.get_mut(&key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.map.values()
    }

    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub fn keys(&self) -> Vec<u32> {
        self.map.keys().copied().collect()
    }

    /// The command with this pid; of two, the one that runs.
    pub fn key_of(&self, pid: u32) -> OpResult<u32> {
        let mut found = None;
        for (key, process) in &self.map {
            if process.pid == pid {
                found = Some(*key);
                if process.is_running() {
                    break;
                }
            }
        }
        found.ok_or_else(|| OpError::new(Kind::NotFound, format!("no command has pid {}", pid)))
    }

    pub fn running_key_of(&self, pid: u32) -> Option<u32> {
        self.map
            .iter()
            .find(|(_, process)| process.pid == pid && process.is_running())
            .map(|(key, _)| *key)
    }

    /// Makes room for one more, at the cost of the oldest result that nobody has come for.
    pub fn ensure_room(&mut self) -> OpResult<Option<Process>> {
        if self.map.len() < MAX_COMMANDS {
            return Ok(None);
        }
        let unclaimed = self
            .map
            .iter()
            .find(|(_, process)| !process.is_running() && process.stream.is_none())
            .map(|(key, _)| *key);
        match unclaimed.and_then(|key| self.map.remove(&key)) {
            Some(process) => Ok(Some(process)),
            None => Err(OpError::new(Kind::Limit, "too many commands are running")),
        }
    }

    pub fn insert(&mut self, process: Process) -> u32 {
        self.last_key = self.last_key.wrapping_add(1);
        self.map.insert(self.last_key, process);
        self.last_key
    }

    pub fn next_key(&self) -> u32 {
        self.last_key.wrapping_add(1)
    }

    pub fn remove(&mut self, key: u32) -> Option<Process> {
        self.map.remove(&key)
    }

    pub fn remember(&mut self, pid: u32, result: Vec<u8>) {
        if self.finished.len() == FINISHED_KEPT {
            self.finished.pop_front();
        }
        self.finished.push_back((pid, result));
    }

    pub fn recall(&self, pid: u32) -> Option<&[u8]> {
        let newest = self.finished.iter().rev().find(|(known, _)| *known == pid);
        newest.map(|(_, result)| result.as_slice())
    }
}
