//! The JSON the host sends. Structs refuse unknown fields and duplicate keys; that also bounds the depth.

use crate::error::{OpError, OpResult};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Deserialize)]
struct OpName<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
}

/// Reads only the name; the operation's own struct then reads the whole again, strictly.
pub fn op_name(json: &[u8]) -> OpResult<Cow<'_, str>> {
    serde_json::from_slice::<OpName>(json)
        .map(|name| name.op)
        .map_err(|_| OpError::invalid("request is not a JSON object with an op"))
}

/// serde's own message may quote a value, so only its place is passed on.
pub fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> OpResult<T> {
    serde_json::from_slice(json).map_err(|error| OpError::invalid(format!("bad request: {}", safe_text(&error))))
}

fn safe_text(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once('`') {
        // "unknown field `x`", "missing field `x`", "duplicate field `x`" name a field, never a value.
        Some((head, tail)) if head.ends_with("field ") => match tail.split_once('`') {
            Some((field, _)) if field.len() <= 64 => format!("{}{}", head, field),
            _ => format!("{:?} error", error.classify()),
        },
        _ => format!("{:?} error at column {}", error.classify(), error.column()),
    }
}

/// Environment variables in the order of their names, each at most once.
#[derive(Default, Debug)]
pub struct Env(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Env, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Env;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Env, A::Error> {
                let mut env = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if key.is_empty() || key.contains(&['=', '\0'][..]) || value.contains('\0') {
                        return Err(A::Error::custom("bad environment variable"));
                    }
                    if env.insert(key, value).is_some() {
                        return Err(A::Error::custom("duplicate environment variable"));
                    }
                }
                Ok(Env(env))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

macro_rules! message {
    ($name:ident { $($(#[$meta:meta])* $field:ident : $type:ty),* $(,)? }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$meta])* pub $field: $type),* }
    };
}

macro_rules! request {
    ($name:ident { $($(#[$meta:meta])* $field:ident : $type:ty),* $(,)? }) => {
        message!($name { #[allow(dead_code)] op: IgnoredAny, $($(#[$meta])* $field: $type),* });
    };
}

fn yes() -> bool {
    true
}
fn default_grace() -> u64 {
    2_000
}
fn default_limit() -> usize {
    1_000
}
fn default_dir_mode() -> u32 {
    0o755
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum StdinMode {
    #[default]
    None,
    Pipe,
}

message!(Size { rows: u16, cols: u16 });
message!(Hello {
    gen: u32,
    nonce: String
});
message!(Resume {
    time_ns: String,
    entropy: String,
    hostname: String,
    machine_id: String,
    #[serde(default)]
    env: Env,
    #[serde(default)]
    authority: Option<String>,
    #[serde(default)]
    adopted: bool,
});
request!(Exec {
    argv: Vec<String>,
    #[serde(default)]
    env: Env,
    cwd: Option<String>,
    user: Option<String>,
    #[serde(default)]
    stdin: StdinMode,
    timeout_ms: Option<u64>,
    #[serde(default = "default_grace")]
    grace_ms: u64,
    pty: Option<Size>,
    spill: Option<String>,
});
request!(Signal {
    pid: u32,
    signal: i32,
    #[serde(default)]
    tree: bool
});
request!(Resize {
    pid: u32,
    rows: u16,
    cols: u16
});
request!(Attach { pid: u32 });
request!(Bare {});
request!(Memory { limit_mb: Option<u64> });
request!(Connect { port: u16 });
message!(EgressRule {
    host: String,
    port: u16
});
request!(EgressRequest { allow: Vec<EgressRule> });
request!(Accept { connection: u32 });
request!(Read {
    path: String,
    #[serde(default)]
    offset: u64,
    length: Option<u64>,
});
request!(Write {
    path: String,
    mode: Option<u32>,
    mtime_ms: Option<i64>,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    append: bool,
    size: Option<u64>,
});
request!(List {
    path: String,
    cursor: Option<String>,
    #[serde(default = "default_limit")]
    limit: usize,
});
request!(Stat {
    path: String,
    #[serde(default = "yes")]
    follow: bool
});
request!(Watch {
    path: String,
    #[serde(default)]
    recursive: bool
});
request!(Mkdir {
    path: String,
    #[serde(default = "default_dir_mode")]
    mode: u32,
    #[serde(default = "yes")]
    parents: bool,
    #[serde(default = "yes")]
    exist_ok: bool,
});
request!(Remove {
    path: String,
    #[serde(default)]
    recursive: bool
});
request!(Rename {
    from: String,
    to: String,
    #[serde(default = "yes")]
    overwrite: bool
});
request!(Chmod {
    path: String,
    mode: u32
});
message!(SharedDirectory {
    path: String,
    read_only: bool
});
request!(Share { shares: Vec<SharedDirectory> });
request!(Readlink { path: String });
request!(Symlink {
    path: String,
    target: String
});

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> bool {
        parse::<Exec>(json.as_bytes()).is_err()
    }

    #[test]
    fn exec_defaults_and_refusals() {
        let exec: Exec = parse(br#"{"op":"exec","argv":["true"]}"#).unwrap();
        assert_eq!(exec.grace_ms, 2_000);
        assert_eq!(exec.stdin, StdinMode::None);
        assert!(refused(r#"{"op":"exec","argv":["true"],"extra":1}"#));
        assert!(refused(r#"{"op":"exec","argv":["a"],"argv":["b"]}"#));
        assert!(refused(r#"{"op":"exec","argv":["a"],"env":{"A":"1","A":"2"}}"#));
        assert!(refused(r#"{"op":"exec","argv":["a"],"env":{"A=B":"1"}}"#));
        assert!(refused(r#"{"op":"exec","argv":["a"],"timeout_ms":-1}"#));
        assert!(refused(r#"{"op":"exec","argv":["a"],"timeout_ms":1e400}"#));
        assert!(refused(r#"{"op":"exec","argv":["\ud800"]}"#));
        assert!(refused(r#"{"op":"exec","argv":["a"]}x"#));
        let deep = format!(
            r#"{{"op":"exec","argv":{}1{}}}"#,
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        assert!(refused(&deep));
        // The first look skips what it does not know, without recursion.
        assert_eq!(op_name(deep.as_bytes()).unwrap(), "exec");
    }

    #[test]
    fn messages_never_quote_values() {
        let error = match parse::<Exec>(br#"{"op":"exec","argv":["a"],"stdin":"s3cret"}"#) {
            Err(error) => String::from_utf8(error.json()).unwrap(),
            Ok(_) => panic!("accepted"),
        };
        assert!(!error.contains("s3cret"), "{}", error);
    }
}
