//! What the policy allows, and the addresses that stand for its names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

/// First address that is given to a name: 198.18.1.0. Below it are the agent's own.
const FIRST: u32 = 0xc612_0100;
/// One past the last: 198.20.0.0.
const END: u32 = 0xc614_0000;
/// Names that have an address at once. An address is used for another name only after all others have been, so a
/// program that remembers an old one meets a refusal and not another server.
const MAX_GIVEN: usize = 16_384;
const MAX_RULES: usize = 1_000;

type Ports = BTreeSet<u16>;

#[derive(Default)]
pub struct Names {
    exact: BTreeMap<String, Ports>,
    /// `.example.com` for `*.example.com`.
    suffixes: BTreeMap<String, Ports>,
    literals: BTreeMap<Ipv4Addr, Ports>,
    given: Given,
}

/// Which address stands for which name. Survives changes of the policy: programs remember addresses.
#[derive(Default)]
struct Given {
    by_name: BTreeMap<String, u32>,
    by_address: BTreeMap<u32, String>,
    oldest: VecDeque<u32>,
    used: u32,
}

impl Names {
    /// The same addresses under other rules.
    pub fn replaced<'a, I>(&mut self, rules: I) -> Result<Names, &'static str>
    where
        I: Iterator<Item = (&'a str, u16)>,
    {
        let mut names = Names::default();
        for (index, (host, port)) in rules.enumerate() {
            if index >= MAX_RULES || port == 0 {
                return Err("too many rules, or port 0");
            }
            names.allow(host, port)?;
        }
        names.given = std::mem::take(&mut self.given);
        Ok(names)
    }

    fn allow(&mut self, host: &str, port: u16) -> Result<(), &'static str> {
        let ports = match (host.parse::<Ipv4Addr>(), host.strip_prefix('*')) {
            (Ok(address), _) => self.literals.entry(address).or_default(),
            (_, Some(suffix)) if suffix.starts_with('.') && is_name(&suffix[1..]) => {
                self.suffixes.entry(suffix.to_string()).or_default()
            }
            _ if is_name(host) => self.exact.entry(host.to_string()).or_default(),
            _ => return Err("a rule's host is no name in lower case and no IPv4 address"),
        };
        ports.insert(port);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.suffixes.is_empty() && self.literals.is_empty()
    }

    /// Addresses that rules name. Those of the loopback stay the machine's own.
    pub fn literals(&self) -> Vec<Ipv4Addr> {
        let outside = |address: &&Ipv4Addr| !address.is_loopback() && !is_given(u32::from(**address));
        self.literals.keys().filter(outside).copied().collect()
    }

    /// The address that stands for an allowed name.
    pub fn resolve(&mut self, name: &str) -> Option<Ipv4Addr> {
        if self.ports(name).next().is_none() {
            return None;
        }
        Some(Ipv4Addr::from(self.given.address(name)))
    }

    /// What a connection to an address means: the host to reach, when a rule allows the port.
    pub fn target(&self, address: Ipv4Addr, port: u16) -> Result<String, Option<String>> {
        if let Some(ports) = self.literals.get(&address) {
            let host = address.to_string();
            return if ports.contains(&port) {
                Ok(host)
            } else {
                Err(Some(host))
            };
        }
        let name = self.given.by_address.get(&u32::from(address)).ok_or(None)?;
        match self.ports(name).any(|ports| ports.contains(&port)) {
            true => Ok(name.clone()),
            false => Err(Some(name.clone())),
        }
    }

    fn ports<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Ports> + 'a {
        // `*.example.com` is one label or more, never the apex: what is left of the suffix is not empty.
        let dots = name.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
        let below = dots.filter_map(move |at| self.suffixes.get(&name[at..]));
        self.exact.get(name).into_iter().chain(below)
    }
}

impl Given {
    fn address(&mut self, name: &str) -> u32 {
        if let Some(address) = self.by_name.get(name) {
            return *address;
        }
        if self.oldest.len() >= MAX_GIVEN {
            let oldest = self
                .oldest
                .pop_front()
                .and_then(|address| self.by_address.remove(&address));
            if let Some(name) = oldest {
                self.by_name.remove(&name);
            }
        }
        let address = FIRST + self.used % (END - FIRST);
        self.used = self.used.wrapping_add(1);
        self.by_name.insert(name.to_string(), address);
        self.by_address.insert(address, name.to_string());
        self.oldest.push_back(address);
        address
    }
}

/// Whether an address is one of 198.18.0.0/15.
fn is_given(address: u32) -> bool {
    address & 0xfffe_0000 == 0xc612_0000
}

/// A host name in its one spelling: lower case, no empty label, no final dot.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rules: &[(&str, u16)]) -> Names {
        Names::default().replaced(rules.iter().copied()).unwrap()
    }

    #[test]
    fn only_allowed_names_and_ports() {
        let mut names = names(&[("a.test", 443), ("*.b.test", 80), ("10.0.0.5", 5432)]);
        let a = names.resolve("a.test").unwrap();
        assert_eq!(names.resolve("a.test"), Some(a));
        assert_eq!(names.target(a, 443), Ok("a.test".to_string()));
        assert_eq!(names.target(a, 80), Err(Some("a.test".to_string())));
        let deep = names.resolve("x.y.b.test").unwrap();
        assert_eq!(names.target(deep, 80), Ok("x.y.b.test".to_string()));
        for other in [
            "b.test",
            "xb.test",
            ".b.test",
            "a.test.evil",
            "sub.a.test",
            "10.0.0.5",
            "",
        ] {
            assert_eq!(names.resolve(other), None, "{}", other);
        }
        let literal = Ipv4Addr::new(10, 0, 0, 5);
        assert_eq!(names.literals(), vec![literal]);
        assert_eq!(names.target(literal, 5432), Ok("10.0.0.5".to_string()));
        assert_eq!(names.target(Ipv4Addr::new(198, 18, 9, 9), 443), Err(None));
    }

    #[test]
    fn a_change_of_rules_keeps_addresses_and_takes_permissions() {
        let mut names = names(&[("a.test", 443), ("b.test", 443)]);
        let a = names.resolve("a.test").unwrap();
        let b = names.resolve("b.test").unwrap();
        let mut names = names.replaced([("b.test", 443)].iter().copied()).unwrap();
        assert_eq!(names.target(b, 443), Ok("b.test".to_string()));
        assert_eq!(names.target(a, 443), Err(Some("a.test".to_string())));
        assert_eq!(names.resolve("a.test"), None);
    }

    #[test]
    fn an_old_address_is_refused_long_before_it_means_another_name() {
        let mut names = names(&[("*.test", 443)]);
        let first = names.resolve("n.test").unwrap();
        for n in 0..MAX_GIVEN * 2 {
            assert_ne!(names.resolve(&format!("n{}.test", n)), Some(first));
        }
        assert_eq!(names.target(first, 443), Err(None));
        assert_eq!(names.given.by_name.len(), MAX_GIVEN);
        assert_eq!(names.given.by_address.len(), MAX_GIVEN);
    }

    #[test]
    fn rules_have_one_spelling() {
        for host in [
            "A.test", "a.test.", "*", "*.", "*a.test", "a..test", "", "a b", "10.0.0", "*.*.a",
        ] {
            let refused = Names::default().replaced([(host, 1)].iter().copied()).is_err();
            // Three numbers are a name as far as DNS is concerned; the host refuses such rules.
            assert_eq!(refused, host != "10.0.0", "{}", host);
        }
    }
}
