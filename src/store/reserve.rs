//! Space kept for bad days: a file that is freed when the disk is full, so that attempts and outcomes of what is
//! queued can still be written.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::files;

/// 32 MiB: tens of thousands of attempts with their outcomes.
pub const RESERVE_BYTES: u64 = 32 * 1024 * 1024;

fn use_space(file: &mut fs::File, bytes: u64) -> io::Result<()> {
    const BLOCK: usize = 1 << 20;
    let mut block = vec![0_u8; BLOCK];
    // File systems that compress or punch holes would give no space back for zeros.
    fastrand::Rng::with_seed(0x5ee1).fill(&mut block);
    let mut left = bytes;
    while left > 0 {
        let size = left.min(BLOCK as u64) as usize;
        file.write_all(&block[..size])?;
        left -= size as u64;
    }
    Ok(())
}

#[derive(Clone, Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn of(database: &Path, bytes: u64) -> Reserve {
        Reserve { path: files::beside(database, "reserve"), bytes }
    }

    pub(super) fn held(&self) -> bool {
        self.bytes > 0 && files::length(&self.path) >= self.bytes
    }

    /// True where one was asked for and is not there.
    pub(super) fn lost(&self) -> bool {
        self.bytes > 0 && !self.held()
    }

    /// Gives the space back; false when there was none left to give.
    pub(super) fn free(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the space again. False where the disk has too little left; then nothing stays behind.
    pub(super) fn hold(&self) -> io::Result<bool> {
        if self.bytes == 0 || self.held() {
            return Ok(self.held());
        }
        match self.fill() {
            Ok(()) => Ok(true),
            Err(error) => {
                self.free()?;
                let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                if full { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Takes a quarter more than is kept: the reserve must not itself fill the disk to the brim, or the next write
    /// would free it again.
    fn fill(&self) -> io::Result<()> {
        let mut file = files::open_private(&self.path)?;
        let wanted = self.bytes + self.bytes / 4;
        match fallocate(&file, FallocateFlags::empty(), 0, wanted) {
            Ok(()) => {}
            // Not every file system can promise space; then it is used.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                use_space(&mut file, wanted)?;
                file.sync_data()?;
            }
            Err(error) => return Err(error.into()),
        }
        file.set_len(self.bytes)?;
        file.sync_all()
    }
}
