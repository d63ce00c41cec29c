//! What a path must look like before the kernel sees it.

use crate::error::{OpError, OpResult};

pub const HOME: &str = "/home/user";
const MAX_PATH: usize = 4_096;
const MAX_NAME: usize = 255;

/// An absolute path without `.`, `..`, doubled or trailing slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafePath {
    text: String,
    /// The caller wrote a trailing slash: only a directory will do.
    pub must_be_dir: bool,
}

impl SafePath {
    pub fn parse(raw: &str) -> OpResult<SafePath> {
        if raw.is_empty() {
            return Err(OpError::invalid("the path is empty"));
        }
        if raw.len() > MAX_PATH {
            return Err(OpError::invalid("the path is longer than 4096 bytes"));
        }
        if raw.contains('\0') {
            return Err(OpError::invalid("the path contains NUL"));
        }
        let mut text = String::with_capacity(raw.len() + HOME.len() + 1);
        if !raw.starts_with('/') {
            text.push_str(HOME);
        }
        for name in raw.split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(OpError::invalid("the path contains a '..' component")),
                _ if name.len() > MAX_NAME => return Err(OpError::invalid("a component is longer than 255 bytes")),
                _ => {
                    text.push('/');
                    text.push_str(name);
                }
            }
        }
        if text.len() > MAX_PATH {
            return Err(OpError::invalid("the path is longer than 4096 bytes"));
        }
        if text.is_empty() {
            text.push('/');
        }
        let must_be_dir = raw.ends_with('/') || raw.ends_with("/.") || raw == ".";
        Ok(SafePath { text, must_be_dir })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_root(&self) -> bool {
        self.text == "/"
    }

    /// The directory and the name in it; none for the root.
    pub fn split(&self) -> Option<(&str, &str)> {
        if self.is_root() {
            return None;
        }
        let at = self.text.rfind('/')?;
        let parent = if at == 0 { "/" } else { &self.text[..at] };
        Some((parent, &self.text[at + 1..]))
    }

    pub fn name(&self) -> &str {
        self.split().map_or("/", |(_, name)| name)
    }

    /// `/a`, `/a/b`, `/a/b/c` for `/a/b/c`.
    pub fn prefixes(path: &str) -> impl Iterator<Item = &str> {
        let inner = path.char_indices().skip(1).filter(|(_, c)| *c == '/');
        inner
            .map(|(at, _)| at)
            .chain(Some(path.len()))
            .map(move |at| &path[..at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_or_refuses() {
        let long_name = "n".repeat(256);
        let long_path = "/a".repeat(2_049);
        let table: &[(&str, Option<&str>)] = &[
            ("", None),
            ("\0", None),
            ("/a\0b", None),
            ("..", None),
            ("../x", None),
            ("a/../../x", None),
            ("/a/..", None),
            (&long_name, None),
            (&long_path, None),
            ("/", Some("/")),
            ("//", Some("/")),
            (".", Some("/home/user")),
            ("x", Some("/home/user/x")),
            ("./x/./y/", Some("/home/user/x/y")),
            ("//etc///x", Some("/etc/x")),
            ("%2e%2e", Some("/home/user/%2e%2e")),
            ("..\\", Some("/home/user/..\\")),
            ("....//", Some("/home/user/....")),
            ("...", Some("/home/user/...")),
            ("a\nb\u{1b}", Some("/home/user/a\nb\u{1b}")),
            ("/proc/self/root", Some("/proc/self/root")),
        ];
        for (raw, expected) in table {
            let got = SafePath::parse(raw).ok();
            assert_eq!(got.as_ref().map(SafePath::as_str), *expected, "{:?}", raw);
        }
        assert!(SafePath::parse("x/").unwrap().must_be_dir);
        assert!(!SafePath::parse("x").unwrap().must_be_dir);
    }

    #[test]
    fn splits_and_prefixes() {
        let path = SafePath::parse("/a/bc/d").unwrap();
        assert_eq!(path.split(), Some(("/a/bc", "d")));
        assert_eq!(SafePath::parse("/a").unwrap().split(), Some(("/", "a")));
        assert_eq!(SafePath::parse("/").unwrap().split(), None);
        let prefixes: Vec<&str> = SafePath::prefixes("/a/bc/d").collect();
        assert_eq!(prefixes, ["/a", "/a/bc", "/a/bc/d"]);
    }
}
