//! Looks at a database file without opening it as a database, so that one that is refused stays as it was.
//!
//! Also reads the write-ahead log: after a crash the newest schema version may stand only there.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::error::StoreError;
use super::files;
use super::migrate::{APPLICATION_ID, KNOWN_VERSION};

/// What stands at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Ours { version: u32 },
}

const HEADER_BYTES: usize = 100;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Tells what is there, and refuses what is foreign, newer or not a database.
pub(super) fn inspect(path: &Path) -> Result<Found, StoreError> {
    let corrupt = |detail: &str| StoreError::Corrupt { path: path.to_owned(), detail: detail.to_owned() };
    let wal = files::suffixed(path, "-wal");
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A new database would take over the old one's log.
            return if files::length(&wal) == 0 {
                Ok(Found::Nothing)
            } else {
                Err(corrupt("it is missing, but its write-ahead log, the file ending in -wal, is still there"))
            };
        }
        Err(error) => return Err(StoreError::io(path, &error)),
        Ok(found) if !found.is_file() => {
            let what = if found.is_symlink() { "a symbolic link" } else { "not a regular file" };
            return Err(StoreError::Foreign { path: path.to_owned(), found: what.to_owned() });
        }
        Ok(_) => {}
    }
    let mut header = [0_u8; HEADER_BYTES];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(corrupt("the file is empty or cut off"));
        }
        Err(error) => return Err(StoreError::io(path, &error)),
        Ok(()) if &header[..16] != MAGIC => return Err(corrupt("bad header: not a database file")),
        Ok(()) => {}
    }
    let logged = newest_header_in_log(&wal).map_err(|error| StoreError::io(&wal, &error))?;
    // Amid a checkpoint, which its log shows, the first page may be ahead of the file's end.
    if files::length(&wal) == 0 && files::length(path) < length_by(&header) {
        return Err(corrupt("the file is cut off"));
    }
    judge(path, &logged.unwrap_or(header))
}

/// Bytes that a header says its file has; 0 where it does not say.
fn length_by(header: &[u8; HEADER_BYTES]) -> u64 {
    // The number of pages counts only if it was written with the last change.
    if header[24..28] != header[92..96] {
        return 0;
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    page * u64::from(be32(&header[28..]))
}

fn judge(path: &Path, header: &[u8; HEADER_BYTES]) -> Result<Found, StoreError> {
    let (version, application) = (be32(&header[60..]), be32(&header[68..]));
    let path = path.to_owned();
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign { path, found: format!("application id {application:#010x}") });
    }
    match version {
        0 => Err(StoreError::Corrupt { path, detail: "it has no schema version".to_owned() }),
        found if found > KNOWN_VERSION => Err(StoreError::Newer { path, found, known: KNOWN_VERSION }),
        version => Ok(Found::Ours { version }),
    }
}

/// The newest committed first page in a write-ahead log; none when the log holds none.
fn newest_header_in_log(wal: &Path) -> io::Result<Option<[u8; HEADER_BYTES]>> {
    let file = match File::open(wal) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut input = BufReader::with_capacity(1 << 18, file);
    let mut head = [0_u8; 32];
    if !fill(&mut input, &mut head)? || be32(&head) & !1 != 0x377f_0682 {
        return Ok(None);
    }
    let mut sum = Checksum { big_endian: be32(&head) & 1 == 1, first: 0, second: 0 };
    let page_size = be32(&head[8..]) as usize;
    sum.add(&head[..24]);
    if !sum.matches(&head[24..]) || !(512..=65_536).contains(&page_size) {
        return Ok(None);
    }
    let (mut committed, mut pending) = (None, None);
    let mut frame = vec![0_u8; 24 + page_size];
    // The log ends at the first frame that is cut off, of an older round, or does not add up.
    while fill(&mut input, &mut frame)? && frame[8..16] == head[16..24] {
        sum.add(&frame[..8]);
        sum.add(&frame[24..]);
        if !sum.matches(&frame[16..]) {
            break;
        }
        if be32(&frame) == 1 {
            let mut header = [0_u8; HEADER_BYTES];
            header.copy_from_slice(&frame[24..24 + HEADER_BYTES]);
            pending = Some(header);
        }
        if be32(&frame[4..]) != 0 {
            committed = pending.or(committed);
        }
    }
    Ok(committed)
}

/// SQLite's running checksum over pairs of 32-bit words.
struct Checksum {
    big_endian: bool,
    first: u32,
    second: u32,
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let (a, b) = (self.word(&pair[..4]), self.word(&pair[4..]));
            self.first = self.first.wrapping_add(a).wrapping_add(self.second);
            self.second = self.second.wrapping_add(b).wrapping_add(self.first);
        }
    }

    fn word(&self, bytes: &[u8]) -> u32 {
        if self.big_endian { be32(bytes) } else { be32(bytes).swap_bytes() }
    }

    fn matches(&self, stored: &[u8]) -> bool {
        self.first == be32(stored) && self.second == be32(&stored[4..])
    }
}

/// False at the end of the file.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
