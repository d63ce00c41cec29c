//! /etc/resolv.conf names the agent's resolver while there is one, and nobody otherwise: lookups then fail at once.

use super::OWN;
use crate::files::resolve::Root;
use crate::resume::rewrite;
use rustix::io;

const PATH: &str = "/etc/resolv.conf";
const MARK: &str = "# Answers the names this machine may reach.\n";

pub fn write(root: &Root) -> io::Result<()> {
    // Whatever stood there named servers that no packet can reach.
    let text = format!("{}nameserver {}\noptions timeout:2 attempts:2\n", MARK, OWN);
    rewrite(root, PATH, |_| text.into_bytes())
}

pub fn clear(root: &Root) -> io::Result<()> {
    rewrite(root, PATH, |old| match old.starts_with(MARK) {
        true => Vec::new(),
        false => old.as_bytes().to_vec(),
    })
}
