//! File systems in memory, for what only a file system of one's own can do.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::skipped;

/// A mounted folder, for as long as it is used.
pub struct Mount {
    folder: TempDir,
}

impl Mount {
    /// A small file system; loudly none where this process may not mount.
    pub fn memory(size: &str, test: &str) -> Option<Self> {
        Mount::new(
            test,
            &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"].map(OsStr::new),
        )
    }

    /// A folder once more, where nothing can be written.
    pub fn read_only(of: &Path, test: &str) -> Option<Self> {
        let mount = Mount::new(test, &[OsStr::new("--bind"), of.as_os_str()])?;
        mount.remount("remount,bind,ro");
        Some(mount)
    }

    fn new(test: &str, arguments: &[&OsStr]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(arguments)
            .arg(folder.path())
            .output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Mount { folder });
        }
        skipped(test, format!("nothing can be mounted: {mounted:?}"));
        None
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        let status = command.args(["-o", options]).arg(self.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that another test is just starting has our open files for a moment.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
