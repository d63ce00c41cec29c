//! The environment of a command and the places its program is looked for.

use super::cstrings::CStrings;
use super::users::User;
use std::collections::BTreeMap;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Vars = BTreeMap<String, String>;

/// Base, then what RESUME brought, then the request's own; later wins. Returns the array and the PATH in force.
pub fn build<'a>(user: &'a User, pty: bool, resumed: &'a Vars, own: &'a Vars) -> (CStrings, &'a str) {
    let base = [
        ("HOME", user.home.as_str()),
        ("USER", user.name.as_str()),
        ("LOGNAME", user.name.as_str()),
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
        ("SHELL", "/bin/bash"),
        ("TERM", "xterm-256color"),
    ];
    let count = if pty { base.len() } else { base.len() - 1 };
    let mut array = CStrings::default();
    for (key, value) in &base[..count] {
        if !own.contains_key(*key) && !resumed.contains_key(*key) {
            put(&mut array, key, value);
        }
    }
    for (key, value) in resumed {
        if !own.contains_key(key) {
            put(&mut array, key, value);
        }
    }
    for (key, value) in own {
        put(&mut array, key, value);
    }
    let path = own.get("PATH").or_else(|| resumed.get("PATH"));
    (array, path.map_or(PATH, String::as_str))
}

fn put(array: &mut CStrings, key: &str, value: &str) {
    array.push(&[key.as_bytes(), b"=", value.as_bytes()]);
}

/// Every file that `program` may mean, in the order execvp would try them.
pub fn candidates(program: &str, path: &str) -> CStrings {
    let mut array = CStrings::default();
    if program.contains('/') {
        array.push(&[program.as_bytes()]);
        return array;
    }
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        array.push(&[dir.as_bytes(), b"/", program.as_bytes()]);
    }
    array
}
