//! A disk that fails on demand, for this crate's tests.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex},
};

/// What the next writes and fsyncs meet.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Fault>>>);

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Half of the frame is written, then there is no space.
    NoSpace,
    /// All is written, and the fsync fails.
    Sync,
}

impl Faults {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap() = fault;
    }

    fn is(&self, fault: Fault) -> bool {
        *self.0.lock().unwrap() == Some(fault)
    }

    pub(super) fn before_write(&self, file: &File, frame: &[u8], at: u64) -> io::Result<()> {
        if self.is(Fault::NoSpace) {
            file.write_all_at(&frame[..frame.len() / 2], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn before_sync(&self) -> io::Result<()> {
        match self.is(Fault::Sync) {
            true => Err(io::Error::other("injected fsync failure")),
            false => Ok(()),
        }
    }
}
