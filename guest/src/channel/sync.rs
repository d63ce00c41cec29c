//! The 16 bytes that begin a session, and the search for them in a stream that makes no sense.

pub const SYNC: [u8; 16] = *b"\0mvm-sync\r\n\x1a\0\xffv1";

/// Finds SYNC byte by byte, across any split of the input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hunter {
    matched: usize,
}

impl Hunter {
    /// Consumes input up to and including SYNC; returns how much was consumed and whether SYNC ended it.
    pub fn feed(&mut self, input: &[u8]) -> (usize, bool) {
        for (index, &byte) in input.iter().enumerate() {
            if byte == SYNC[self.matched] {
                self.matched += 1;
            } else {
                // SYNC's only proper prefix that is also a suffix of a partial match is its first byte, at position 12.
                self.matched = if self.matched == 13 && byte == SYNC[1] {
                    2
                } else {
                    usize::from(byte == SYNC[0])
                };
            }
            if self.matched == SYNC.len() {
                self.matched = 0;
                return (index + 1, true);
            }
        }
        (input.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_after_zeros_and_after_a_false_start() {
        for noise in [
            vec![0u8; 300],
            SYNC[..13].to_vec(),
            SYNC[..15].to_vec(),
            b"M\x10junk".to_vec(),
        ] {
            let mut bytes = noise.clone();
            bytes.extend_from_slice(&SYNC);
            bytes.push(7);
            let mut hunter = Hunter::default();
            assert_eq!(hunter.feed(&bytes), (noise.len() + 16, true), "{:?}", noise);
        }
    }
}
