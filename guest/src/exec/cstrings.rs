//! A NULL-terminated array of C strings in two allocations, ready for execve.

use std::os::raw::c_char;
use std::ptr;

#[derive(Default)]
pub struct CStrings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    pointers: Vec<*const c_char>,
}

impl CStrings {
    /// Adds one string made of `parts`; the caller has refused NUL bytes.
    pub fn push(&mut self, parts: &[&[u8]]) {
        self.starts.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
    }

    /// The array; valid until the next `push` or drop.
    pub fn array(&mut self) -> *const *const c_char {
        let base = self.bytes.as_ptr();
        self.pointers.clear();
        self.pointers.extend(
            self.starts
                .iter()
                .map(|&start| base.wrapping_add(start).cast::<c_char>()),
        );
        self.pointers.push(ptr::null());
        self.pointers.as_ptr()
    }
}
