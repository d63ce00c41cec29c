//! The 12-byte header and its rules (docs/channel.md, "Frames").

use crate::limits::{HEADER_BYTES, MAX_PAYLOAD};

pub const MAGIC: u8 = 0x4D;
pub const MORE: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    Hello = 0x01,
    Welcome = 0x02,
    Resume = 0x03,
    Resumed = 0x04,
    Request = 0x10,
    Result = 0x11,
    Error = 0x12,
    Event = 0x13,
    Data = 0x20,
    DataErr = 0x21,
    End = 0x22,
    Credit = 0x23,
    Cancel = 0x24,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    BadMagic,
    BadSync,
    BadType,
    BadDirection,
    BadFlags,
    BadStream,
    TooLarge,
    BadLength,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Type,
    pub more: bool,
    pub stream: u32,
    pub length: usize,
}

impl Type {
    fn from_byte(byte: u8) -> Option<Type> {
        Some(match byte {
            0x01 => Type::Hello,
            0x02 => Type::Welcome,
            0x03 => Type::Resume,
            0x04 => Type::Resumed,
            0x10 => Type::Request,
            0x11 => Type::Result,
            0x12 => Type::Error,
            0x13 => Type::Event,
            0x20 => Type::Data,
            0x21 => Type::DataErr,
            0x22 => Type::End,
            0x23 => Type::Credit,
            0x24 => Type::Cancel,
            _ => return None,
        })
    }

    fn to_guest(self) -> bool {
        use Type::*;
        matches!(self, Hello | Resume | Request | Data | End | Credit | Cancel)
    }

    #[cfg(test)]
    fn to_host(self) -> bool {
        !matches!(self, Type::Hello | Type::Resume | Type::Request | Type::Cancel)
    }

    fn is_session(self) -> bool {
        (self as u8) < 0x10
    }
}

impl Header {
    /// Reads a header that the host sent; every rule is checked before a byte of payload is waited for.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Header, FrameError> {
        Self::parse_towards(bytes, Type::to_guest)
    }

    #[cfg(test)]
    pub fn parse_from_guest(bytes: &[u8; HEADER_BYTES]) -> Result<Header, FrameError> {
        Self::parse_towards(bytes, Type::to_host)
    }

    fn parse_towards(bytes: &[u8; HEADER_BYTES], direction: fn(Type) -> bool) -> Result<Header, FrameError> {
        if bytes[0] != MAGIC {
            return Err(FrameError::BadMagic);
        }
        let kind = Type::from_byte(bytes[1]).ok_or(FrameError::BadType)?;
        if !direction(kind) {
            return Err(FrameError::BadDirection);
        }
        let flags = u16::from_le_bytes([bytes[2], bytes[3]]);
        let more = flags & MORE != 0;
        if flags & !MORE != 0 || (more && !matches!(kind, Type::Request | Type::Result)) {
            return Err(FrameError::BadFlags);
        }
        let stream = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        if kind.is_session() != (stream == 0) {
            return Err(FrameError::BadStream);
        }
        let length = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(FrameError::TooLarge);
        }
        let fixed = match kind {
            Type::End | Type::Cancel => Some(0),
            Type::Credit => Some(4),
            _ => None,
        };
        match fixed {
            Some(expected) if expected != length => Err(FrameError::BadLength),
            _ => Ok(Header {
                kind,
                more,
                stream,
                length,
            }),
        }
    }

    pub fn encode(kind: Type, more: bool, stream: u32, length: usize) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = MAGIC;
        bytes[1] = kind as u8;
        bytes[2] = u8::from(more);
        bytes[4..8].copy_from_slice(&stream.to_le_bytes());
        bytes[8..12].copy_from_slice(&(length as u32).to_le_bytes());
        bytes
    }
}
