//! The one shape of failure that leaves the agent (docs/channel.md, "Errors").

use rustix::io::Errno;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Invalid,
    NotFound,
    Exists,
    Denied,
    Special,
    NotDirectory,
    IsDirectory,
    NotEmpty,
    NoSpace,
    ReadOnly,
    Limit,
    Unavailable,
    Io,
    Protocol,
    Unsupported,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    NotStarted,
    Completed,
    Unknown,
}

#[derive(Debug, Serialize)]
pub struct OpError {
    pub kind: Kind,
    errno: Option<&'static str>,
    message: String,
    outcome: Outcome,
}

pub type OpResult<T> = Result<T, OpError>;

impl OpError {
    pub fn new(kind: Kind, message: impl Into<String>) -> OpError {
        OpError {
            kind,
            errno: None,
            message: message.into(),
            outcome: Outcome::NotStarted,
        }
    }

    pub fn invalid(message: impl Into<String>) -> OpError {
        Self::new(Kind::Invalid, message)
    }

    /// A failed system call. `subject` names a path or a noun, never argv, environment or content.
    pub fn sys(errno: Errno, subject: &str) -> OpError {
        let (kind, name) = classify(errno);
        OpError {
            kind,
            errno: name,
            message: format!("{}: {}", subject, describe(errno, name)),
            outcome: Outcome::NotStarted,
        }
    }

    pub fn outcome(mut self, outcome: Outcome) -> OpError {
        self.outcome = outcome;
        self
    }

    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn describe(errno: Errno, name: Option<&'static str>) -> String {
    match name {
        Some(name) => name.to_string(),
        None => format!("errno {}", errno.raw_os_error()),
    }
}

fn classify(errno: Errno) -> (Kind, Option<&'static str>) {
    let (kind, name) = match errno {
        Errno::NOENT => (Kind::NotFound, "ENOENT"),
        Errno::SRCH => (Kind::NotFound, "ESRCH"),
        Errno::EXIST => (Kind::Exists, "EEXIST"),
        Errno::ACCESS => (Kind::Denied, "EACCES"),
        Errno::PERM => (Kind::Denied, "EPERM"),
        Errno::BUSY => (Kind::Denied, "EBUSY"),
        Errno::LOOP => (Kind::Denied, "ELOOP"),
        Errno::XDEV => (Kind::Denied, "EXDEV"),
        Errno::TXTBSY => (Kind::Denied, "ETXTBSY"),
        Errno::NXIO => (Kind::Special, "ENXIO"),
        Errno::NOTDIR => (Kind::NotDirectory, "ENOTDIR"),
        Errno::ISDIR => (Kind::IsDirectory, "EISDIR"),
        Errno::NOTEMPTY => (Kind::NotEmpty, "ENOTEMPTY"),
        Errno::NOSPC => (Kind::NoSpace, "ENOSPC"),
        Errno::DQUOT => (Kind::NoSpace, "EDQUOT"),
        Errno::FBIG => (Kind::Limit, "EFBIG"),
        Errno::ROFS => (Kind::ReadOnly, "EROFS"),
        Errno::MFILE => (Kind::Limit, "EMFILE"),
        Errno::NFILE => (Kind::Limit, "ENFILE"),
        Errno::AGAIN => (Kind::Limit, "EAGAIN"),
        Errno::NOMEM => (Kind::Limit, "ENOMEM"),
        Errno::TOOBIG => (Kind::Limit, "E2BIG"),
        Errno::MLINK => (Kind::Limit, "EMLINK"),
        Errno::NAMETOOLONG => (Kind::Invalid, "ENAMETOOLONG"),
        Errno::INVAL => (Kind::Invalid, "EINVAL"),
        Errno::NOEXEC => (Kind::Invalid, "ENOEXEC"),
        Errno::CONNREFUSED => (Kind::Unavailable, "ECONNREFUSED"),
        Errno::CONNRESET => (Kind::Unavailable, "ECONNRESET"),
        Errno::PIPE => (Kind::Unavailable, "EPIPE"),
        Errno::OPNOTSUPP => (Kind::Unsupported, "EOPNOTSUPP"),
        Errno::NOSYS => (Kind::Unsupported, "ENOSYS"),
        Errno::IO => (Kind::Io, "EIO"),
        _ => return (Kind::Io, None),
    };
    (kind, Some(name))
}
