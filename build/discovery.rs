use std::fs;
use std::path::Path;

/// What CMake found: `key=value` lines, where a key may come more than once.
pub(crate) struct Discovery(String);

impl Discovery {
    pub(crate) fn read(file: &Path) -> Self {
        Self(fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(move |pair| pair.0 == key)
            .map(|pair| pair.1)
    }

    pub(crate) fn compiler_flags(&self) -> impl Iterator<Item = &str> {
        self.all("include")
            .flat_map(|folder| ["-isystem", folder])
            .chain(self.all("cxxflags"))
    }

    /// `in_root`: OpenVDB is in a folder that no loader looks into by itself. The programs of this
    /// package find it there without LD_LIBRARY_PATH; those of others are told by
    /// DEP_TEMPORAL_VDB_CORE_RPATH, which their build scripts get.
    /// DEP_TEMPORAL_VDB_CORE_LIBRARIES are all folders that libraries were found in.
    pub(crate) fn link(&self, in_root: bool) {
        let folders: Vec<&str> = self.all("link_search").collect();
        for folder in &folders {
            println!("cargo::rustc-link-search=native={folder}");
        }
        if !folders.is_empty() {
            println!("cargo::metadata=libraries={}", folders.join(":"));
        }
        let mut shared = folders;
        shared.retain(|folder| in_root && holds_shared(folder));
        for folder in &shared {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        }
        if !shared.is_empty() {
            println!("cargo::metadata=rpath={}", shared.join(":"));
        }
        for library in self.all("link_lib") {
            println!("cargo::rustc-link-lib={library}");
        }
        // A new version of OpenVDB in the same place.
        for header in self.all("version_header") {
            println!("cargo::rerun-if-changed={header}");
        }
    }
}

/// Static libraries are not looked for when a program starts.
fn holds_shared(folder: &str) -> bool {
    let shared = |name: &str| name.ends_with(".so") || name.ends_with(".dylib");
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_str().is_some_and(shared))
}
