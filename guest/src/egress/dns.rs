//! DNS messages: one question in, one answer out. Nothing is forwarded to anybody.

use std::net::Ipv4Addr;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const FORMERR: u8 = 1;
const NXDOMAIN: u8 = 3;
const NOTIMP: u8 = 4;
/// Seconds. Addresses stay the same, but a changed policy is to be noticed.
const TTL: u32 = 5;

/// The answer to a query; None for what is no query at all. `lookup` gives the address of an allowed name.
pub fn answer<F>(query: &[u8], lookup: F) -> Option<Vec<u8>>
where
    F: FnOnce(&str) -> Option<Ipv4Addr>,
{
    let header = query.get(..HEADER)?;
    let is_response = header[2] & 0x80 != 0;
    if is_response {
        return None;
    }
    if header[2] & 0x78 != 0 {
        return Some(reply(header, &[], NOTIMP, None));
    }
    let (name, end) = match question(query) {
        Some(question) => question,
        None => return Some(reply(header, &[], FORMERR, None)),
    };
    let kind = u16::from_be_bytes([query[end - 4], query[end - 3]]);
    let class = u16::from_be_bytes([query[end - 2], query[end - 1]]);
    let question = &query[HEADER..end];
    let address = if class == CLASS_IN { lookup(&name) } else { None };
    Some(match address {
        None => reply(header, question, NXDOMAIN, None),
        // The name is there and has IPv4 addresses only; no HTTPS records, so no keys for encrypted hellos either.
        Some(_) if kind != TYPE_A => reply(header, question, 0, None),
        Some(address) => reply(header, question, 0, Some(address)),
    })
}

/// The one question's name, in lower case, and where the question ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    if query[4..6] != [0, 1] {
        return None;
    }
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Two high bits are a pointer, which a question has no use for.
        let label = query.get(at..at + length).filter(|_| length <= 63)?;
        if !name.is_empty() {
            name.push('.');
        }
        // A dot inside a label must not read like two labels; any other byte is no name of ours either.
        name.extend(label.iter().map(|byte| match byte {
            b'.' | 0x80..=0xff => '\u{fffd}',
            _ => byte.to_ascii_lowercase() as char,
        }));
        at += length;
    }
    query.get(at..at + 4)?;
    Some((name, at + 4))
}

fn reply(query: &[u8], question: &[u8], code: u8, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + question.len() + 16);
    bytes.extend_from_slice(&query[..2]);
    // Response, authoritative, recursion as desired; recursion available, so that nobody asks further.
    bytes.push(0x84 | (query[2] & 0x79));
    bytes.push(0x80 | code);
    let counts = [u16::from(!question.is_empty()), u16::from(address.is_some()), 0, 0];
    for count in counts {
        bytes.extend_from_slice(&count.to_be_bytes());
    }
    bytes.extend_from_slice(question);
    if let Some(address) = address {
        // The name is a pointer to the question's.
        bytes.extend_from_slice(&[0xc0, HEADER as u8]);
        bytes.extend_from_slice(&TYPE_A.to_be_bytes());
        bytes.extend_from_slice(&CLASS_IN.to_be_bytes());
        bytes.extend_from_slice(&TTL.to_be_bytes());
        bytes.extend_from_slice(&[0, 4]);
        bytes.extend_from_slice(&address.octets());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 0);

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.extend_from_slice(&[0, 0, kind as u8, 0, 1]);
        bytes
    }

    fn ask(query: &[u8]) -> Option<Vec<u8>> {
        answer(query, |name| (name == "api.example.com").then_some(ADDRESS))
    }

    #[test]
    fn answers_allowed_names_in_any_case_with_their_address() {
        let reply = ask(&query("API.Example.com.", 1)).unwrap();
        assert_eq!(reply[..8], [0xab, 0xcd, 0x85, 0x80, 0, 1, 0, 1]);
        assert_eq!(reply[reply.len() - 4..], [198, 18, 1, 0]);
        // The question comes back as it was asked: resolvers compare its case.
        assert!(reply.windows(7).any(|bytes| bytes == b"Example"));
    }

    #[test]
    fn allowed_names_have_no_other_records_and_others_do_not_exist() {
        for kind in [28, 65, 16, 255] {
            let reply = ask(&query("api.example.com", kind)).unwrap();
            assert_eq!((reply[3] & 15, reply[7]), (0, 0), "type {}", kind);
        }
        for name in ["example.com", "api.example.com.evil", "x.api.example.com", ""] {
            let reply = ask(&query(name, 1)).unwrap();
            assert_eq!((reply[3] & 15, reply[7]), (NXDOMAIN, 0), "{}", name);
        }
        let mut dotted = query("api.example.com", 1);
        // "api.example" as one label.
        dotted.splice(HEADER..HEADER + 12, [11u8].iter().chain(b"api.example").copied());
        assert_eq!(ask(&dotted).unwrap()[3] & 15, NXDOMAIN);
        let mut chaos = query("api.example.com", 1);
        *chaos.last_mut().unwrap() = 3;
        assert_eq!(ask(&chaos).unwrap()[3] & 15, NXDOMAIN);
    }

    #[test]
    fn survives_every_truncation_and_every_changed_byte() {
        let whole = query("api.example.com", 1);
        for end in 0..whole.len() {
            let reply = ask(&whole[..end]);
            assert!(reply.map_or(end < HEADER, |reply| reply[3] & 15 == FORMERR), "{}", end);
        }
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = ask(&changed);
            }
        }
        let mut pointer = whole.clone();
        pointer[HEADER] = 0xc0;
        assert_eq!(ask(&pointer).unwrap()[3] & 15, FORMERR);
        let mut response = whole;
        response[2] |= 0x80;
        assert_eq!(ask(&response), None);
    }
}
