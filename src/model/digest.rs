//! A short digest of a text, the same on every machine and in every version (FNV-1a, 64 bits).

use std::fmt;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x100_0000_01b3;

/// Takes in text piece by piece, so that what is only digested need not be built.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(OFFSET)
    }
}

/// Two digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |out, byte| out + format!("{byte:02x}").as_str())
}

impl Digest {
    /// The digest of anything that can be shown.
    pub fn of(shown: impl fmt::Display) -> u64 {
        let mut digest = Digest::default();
        // Digesting can't fail; a `Display` that does has been taken in as far as it came.
        let _ = fmt::write(&mut digest, format_args!("{shown}"));
        digest.value()
    }

    pub fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn digests_are_those_of_the_published_vectors() {
        assert_eq!(Digest::of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Digest::of("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Digest::of("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(Digest::of(format_args!("{}{}", "foo", "bar")), Digest::of("foobar"));
    }
}
