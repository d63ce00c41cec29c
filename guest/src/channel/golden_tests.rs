//! The golden frames, which the host's tests read as well; re-splitting; and bytes from nowhere.

use super::decoder::{Decoder, Item};
use super::frame::{FrameError, Header, Type};
use super::sync::SYNC;
use crate::limits::{HEADER_BYTES, MAX_PAYLOAD};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    direction: String,
    hex: String,
    frame: Option<Golden>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    r#type: u8,
    flags: u16,
    stream: u32,
    payload_hex: String,
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packages/protocol/fixtures/frames.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn error_name(error: FrameError) -> &'static str {
    match error {
        FrameError::BadMagic => "bad_magic",
        FrameError::BadSync => "bad_sync",
        FrameError::BadType => "bad_type",
        FrameError::BadDirection => "bad_direction",
        FrameError::BadFlags => "bad_flags",
        FrameError::BadStream => "bad_stream",
        FrameError::TooLarge => "too_large",
        FrameError::BadLength => "bad_length",
    }
}

/// What a decoder makes of `chunks`, with payloads copied out.
fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<(String, Vec<u8>)> {
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        let mut chunk = chunk;
        while !chunk.is_empty() {
            let spare = decoder.spare();
            let count = spare.len().min(chunk.len());
            assert!(count > 0, "a decoder always has room");
            spare[..count].copy_from_slice(&chunk[..count]);
            decoder.advance(count);
            chunk = &chunk[count..];
            while let Some(item) = decoder.next() {
                seen.push(match item {
                    Item::Sync => ("sync".to_string(), Vec::new()),
                    Item::Violation(error) => (error_name(error).to_string(), Vec::new()),
                    Item::Frame(header, range) => (format!("{:?}", header), decoder.payload(range).to_vec()),
                });
            }
        }
    }
    seen
}

#[test]
fn golden_frames_from_the_host() {
    for row in rows().iter().filter(|row| row.direction == "host-to-guest") {
        let mut bytes = SYNC.to_vec();
        bytes.extend(unhex(&row.hex));
        let seen = decode(std::iter::once(bytes.as_slice()));
        assert_eq!(seen[0].0, "sync");
        match (&row.frame, &row.error) {
            (Some(frame), None) => {
                assert_eq!(seen.len(), 2, "{}", row.name);
                assert_eq!(seen[1].1, unhex(&frame.payload_hex), "{}", row.name);
                check_header(row, frame, Header::parse(&head(&bytes[16..])));
            }
            (None, Some(error)) => assert_eq!(seen[1].0, *error, "{}", row.name),
            _ => panic!("{}: neither frame nor error", row.name),
        }
    }
}

#[test]
fn golden_frames_from_the_guest_are_what_the_agent_encodes() {
    for row in rows().iter().filter(|row| row.direction == "guest-to-host") {
        let bytes = unhex(&row.hex);
        let parsed = Header::parse_from_guest(&head(&bytes));
        match (&row.frame, &row.error) {
            (Some(frame), None) => {
                check_header(row, frame, parsed);
                let header = parsed.unwrap();
                let again = Header::encode(header.kind, header.more, header.stream, header.length);
                assert_eq!(again, bytes[..HEADER_BYTES], "{}", row.name);
            }
            (None, Some(error)) => {
                assert_eq!(parsed.map_err(error_name), Err(error.as_str()), "{}", row.name)
            }
            _ => panic!("{}: neither frame nor error", row.name),
        }
    }
}

fn head(bytes: &[u8]) -> [u8; HEADER_BYTES] {
    let mut head = [0; HEADER_BYTES];
    head.copy_from_slice(&bytes[..HEADER_BYTES]);
    head
}

fn check_header(row: &Row, frame: &Golden, parsed: Result<Header, FrameError>) {
    let header = parsed.unwrap_or_else(|error| panic!("{}: {:?}", row.name, error));
    assert_eq!(header.kind as u8, frame.r#type, "{}", row.name);
    assert_eq!(u16::from(header.more), frame.flags, "{}", row.name);
    assert_eq!(header.stream, frame.stream, "{}", row.name);
    assert_eq!(header.length * 2, frame.payload_hex.len(), "{}", row.name);
}

/// A whole session of valid frames, a violation, and a second session.
fn conversation() -> Vec<u8> {
    let mut bytes = b"noise \0mvm-sy".to_vec();
    for _ in 0..2 {
        bytes.extend_from_slice(&SYNC);
        for row in rows() {
            if row.direction == "host-to-guest" && row.frame.is_some() {
                bytes.extend(unhex(&row.hex));
            }
        }
        bytes.extend_from_slice(b"M\x99 out of sync M\0\0");
    }
    bytes
}

#[test]
fn every_split_gives_the_same_items() {
    let bytes = conversation();
    let whole = decode(std::iter::once(bytes.as_slice()));
    assert_eq!(whole.iter().filter(|(name, _)| name == "sync").count(), 2);
    for at in 0..bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(decode([first, second].into_iter()), whole, "split at {}", at);
    }
    for size in [1, 2, 3, 7, 11, 12, 13, 64] {
        assert_eq!(decode(bytes.chunks(size)), whole, "chunks of {}", size);
    }
}

#[test]
fn the_largest_frame_fits_and_zeros_flush_an_unfinished_one() {
    let mut bytes = SYNC.to_vec();
    bytes.extend_from_slice(&Header::encode(Type::Data, false, 1, MAX_PAYLOAD));
    bytes.extend(std::iter::repeat(7).take(MAX_PAYLOAD));
    assert_eq!(decode(bytes.chunks(5_000)).len(), 2);

    let mut bytes = SYNC.to_vec();
    bytes.extend_from_slice(&Header::encode(Type::Data, false, 1, MAX_PAYLOAD));
    bytes.extend(std::iter::repeat(0).take(262_156));
    bytes.extend_from_slice(&SYNC);
    let names: Vec<String> = decode(bytes.chunks(4_096)).into_iter().map(|item| item.0).collect();
    assert_eq!(names.last().map(String::as_str), Some("sync"), "{:?}", names);
}

#[test]
fn a_new_session_interrupts_an_unfinished_frame_only_after_a_hang_up() {
    let half = [&SYNC[..], &Header::encode(Type::Data, false, 1, 64), b"half"].concat();
    for hung_up in [true, false] {
        let mut decoder = Decoder::new();
        for (bytes, last) in [(&half[..], false), (&SYNC[..], true)] {
            decoder.spare()[..bytes.len()].copy_from_slice(bytes);
            decoder.advance(bytes.len());
            assert_eq!(decoder.next() == Some(Item::Sync), !last || hung_up);
            assert_eq!(decoder.next(), None);
            if hung_up {
                decoder.interrupt();
            }
        }
    }
}

/// xorshift64*: enough to be different every time and the same for a printed seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    }
}

#[test]
fn mutated_sessions_neither_panic_nor_stay_lost() {
    let given = std::env::var("MVM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| crate::clock::wall_ms() | 1);
    println!("MVM_SEED={}", seed);
    let mut random = Random(seed);
    let original = conversation();
    for round in 0..3_000 {
        let mut bytes = original.clone();
        for _ in 0..=random.next(8) {
            let at = random.next(bytes.len());
            match random.next(3) {
                0 => bytes[at] = random.next(256) as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random.next(256) as u8),
            }
        }
        // A frame that was cut short swallows at most its own length; then a new session is always found.
        bytes.extend(std::iter::repeat(0).take(262_156));
        bytes.extend_from_slice(&SYNC);
        let size = 1 + random.next(9_000);
        let seen = decode(bytes.chunks(size));
        let last = seen.last().map(|item| item.0.as_str());
        assert_eq!(last, Some("sync"), "round {} of seed {}", round, seed);
    }
}
