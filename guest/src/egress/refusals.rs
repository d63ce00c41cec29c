//! What was refused inside the machine, told to the host: each name once in a while, and never so many that they fill
//! the channel.

use super::names::is_name;
use crate::agent::core::Core;
use crate::channel::frame::Type;
use crate::clock::MS;
use std::collections::BTreeMap;

/// The same name and port is told again after this long.
const AGAIN: u64 = 10_000 * MS;
/// Names remembered; also the most that are told within that time.
const MAX_TOLD: usize = 100;

#[derive(Default)]
pub struct Refusals {
    told: BTreeMap<(String, Option<u16>), u64>,
}

impl Refusals {
    fn is_news(&mut self, name: &str, port: Option<u16>, now: u64) -> bool {
        self.told.retain(|_, at| now < *at + AGAIN);
        let key = (name.to_string(), port);
        if self.told.contains_key(&key) || self.told.len() >= MAX_TOLD {
            return false;
        }
        self.told.insert(key, now);
        true
    }
}

/// A name that nothing allows was asked for, or a port that no rule names was connected to.
pub fn report(core: &mut Core, name: &str, port: Option<u16>) {
    let stream = match core.egress.stream {
        Some(stream) if is_name(name) => stream,
        _ => return,
    };
    if !core.egress.refusals.is_news(name, port, core.now) {
        return;
    }
    let port = port.map_or("null".to_string(), |port| port.to_string());
    let event = format!(r#"{{"event":"refused","host":"{}","port":{}}}"#, name, port);
    core.out.frame(Type::Event, stream, event.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_once_and_never_floods() {
        let mut refusals = Refusals::default();
        assert!(refusals.is_news("a", None, 0));
        assert!(!refusals.is_news("a", None, 1));
        assert!(refusals.is_news("a", Some(80), 1));
        let told = (0..10_000)
            .filter(|n| refusals.is_news(&n.to_string(), None, 2))
            .count();
        assert_eq!(told, MAX_TOLD - 2);
        assert!(refusals.is_news("a", None, AGAIN));
    }
}
