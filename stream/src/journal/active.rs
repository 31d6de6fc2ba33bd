//! The segment that a partition is appended to: whole frames, durable or not there at all.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use super::{Error, files};

/// The open end of a partition.
#[derive(Debug)]
pub(super) struct Active {
    file: File,
    /// The durable length: everything after it is void.
    bytes: u64,
    #[cfg(test)]
    faults: super::faults::Faults,
}

impl Active {
    pub(super) fn new(file: File, bytes: u64, #[cfg(test)] faults: super::faults::Faults) -> Self {
        Self {
            file,
            bytes,
            #[cfg(test)]
            faults,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the frame and makes it durable. After an error, nothing may be appended before [`Active::roll_back`].
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write(&self.file, frame, self.bytes)?;
        self.file.write_all_at(frame, self.bytes)?;
        #[cfg(test)]
        self.faults.before_sync()?;
        self.file.sync_data()?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Removes what a failed append left, durably. The file is opened anew: after a failed fsync the old handle may
    /// report success without having written, so nothing that it wrote since the last success is relied on.
    pub(super) fn roll_back(&mut self, path: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_sync()?;
        self.file = File::options().read(true).write(true).open(path)?;
        self.file.set_len(self.bytes)?;
        self.file.sync_all()
    }

    /// Begins the next segment.
    pub(super) fn roll(&mut self, dir: &Path, base: u64) -> Result<(), Error> {
        self.file = files::create_segment(dir, base)?;
        self.bytes = 0;
        Ok(())
    }
}
