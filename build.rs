//! Builds the C++ core with CMake (`cpp/CMakeLists.txt`), the bridge to it with cxx, and links both
//! with OpenVDB.
//!
//! CMake finds OpenVDB and writes what it found to `discovery.txt`, or why it did not to
//! `discovery-error.txt`. Where it looks, and the variable `OPENVDB_ROOT`, are described in
//! `cpp/cmake/discover_openvdb.cmake`. With the feature `bundled` OpenVDB itself is built before,
//! and found in the folder that it was installed in.

#[path = "build/bundled.rs"]
mod bundled;
#[path = "build/discovery.rs"]
mod discovery;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::{env, fs, panic};

use discovery::Discovery;

/// The Rust side of the bridges to C++.
const BRIDGES: [&str; 3] = ["src/grids/ffi.rs", "src/host/ffi.rs", "src/volumes/ffi.rs"];

/// The C++ side.
const BRIDGE_SOURCES: [&str; 4] = [
    "cpp/bridge/bridge.cc",
    "cpp/bridge/exceptions.cc",
    "cpp/bridge/host_bridge.cc",
    "cpp/bridge/volume_bridge.cc",
];

fn main() {
    watch();
    // docs.rs has no OpenVDB, and documentation needs none: the Rust side of the bridge is enough.
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    let mut bridge = cxx_build::bridges(BRIDGES);
    bridge.files(BRIDGE_SOURCES).std("c++17");
    require_tools(&bridge.get_compiler().to_command());

    let root = openvdb_root();
    let core = build_core(root.as_deref());
    let openvdb = Discovery::read(&core.join("discovery.txt"));

    // Who calls comes before who is called: the bridge, the core, OpenVDB.
    bridge
        .include("include")
        .flags(openvdb.compiler_flags())
        // As for the core, and in debug builds too: unoptimised, OpenVDB is uselessly slow.
        .opt_level(3)
        .debug(false)
        .define("NDEBUG", None)
        .flags(["-Wall", "-Wextra", "-Wpedantic", "-ffp-contract=off"])
        .compile("temporal_vdb_bridge");
    println!("cargo::rustc-link-search=native={}", core.display());
    println!("cargo::rustc-link-lib=static=temporal_vdb_core");
    openvdb.link(root.is_some());
}

/// The folder that OpenVDB has to be in: the one that the user named, or what was just built.
fn openvdb_root() -> Option<PathBuf> {
    match env::var_os("OPENVDB_ROOT").filter(|root| !root.is_empty()) {
        Some(root) => Some(root.into()),
        None => cfg!(feature = "bundled").then(bundled::build),
    }
}

/// Tells Cargo what to build again for. The C++ tests are left out: only `./run test` builds them.
fn watch() {
    for variable in [
        "OPENVDB_ROOT",
        "OPENVDB_SOURCE",
        "OPENVDB_LINKAGE",
        "DOCS_RS",
        "CMAKE",
        "CMAKE_PREFIX_PATH",
        "CXX",
        "CXXFLAGS",
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    // Cargo looks through folders by itself.
    let folders = ["build.rs", "build", "include", "cpp/bridge", "cpp/cmake"];
    for path in folders.iter().chain(&BRIDGES) {
        println!("cargo::rerun-if-changed={path}");
    }
    for entry in fs::read_dir("cpp")
        .expect("the package has a folder cpp")
        .flatten()
    {
        if entry.path().is_file() {
            println!("cargo::rerun-if-changed={}", entry.path().display());
        }
    }
}

/// Without a compiler or CMake the crates used here would panic.
fn require_tools(compiler: &Command) {
    let cmake = env::var_os("CMAKE").unwrap_or_else(|| "cmake".into());
    let tools = [
        (compiler.get_program(), "CXX", "A C++17 compiler", "g++"),
        (cmake.as_os_str(), "CMAKE", "CMake 3.22 or newer", "cmake"),
    ];
    for (program, variable, what, package) in tools {
        let mut attempt = Command::new(program);
        attempt
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Err(error) = attempt.status() {
            fail(&format!(
                "{what} is needed to build the C++ part of temporal-vdb, but {} cannot be run:\n\
                 {error}.\n\
                 Install it (Debian, Ubuntu: apt-get install {package}) or set {variable} to its path.",
                program.display()
            ));
        }
    }
}

/// Builds `libtemporal_vdb_core.a` and returns the folder that it is in.
fn build_core(openvdb_root: Option<&Path>) -> PathBuf {
    let folder = out_dir().join("build");
    let error_file = folder.join("discovery-error.txt");
    let _ = fs::remove_file(&error_file); // an earlier run's

    let mut config = cmake::Config::new("cpp");
    config
        .profile("Release")
        .define("TEMPORAL_VDB_TESTS", "OFF")
        .define("TEMPORAL_VDB_SANITIZE", "OFF")
        .define(
            "OPENVDB_ROOT",
            openvdb_root.unwrap_or_else(|| Path::new("")),
        )
        .build_target("temporal_vdb_core");
    if !run_cmake(&mut config) {
        if let Ok(text) = fs::read_to_string(&error_file) {
            fail(&text);
        }
        eprintln!("The C++ part of temporal-vdb did not build: see the messages above.");
        exit(1) // Cargo then shows the messages of CMake and the compiler
    }
    folder
}

/// Whether CMake succeeded. Where it does not, the cmake crate panics: someone who lacks a library
/// should read that, and not a backtrace.
fn run_cmake(config: &mut cmake::Config) -> bool {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(panic::AssertUnwindSafe(|| config.build()));
    panic::set_hook(hook);
    built.is_ok()
}

fn out_dir() -> PathBuf {
    env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR").into()
}

/// Ends the build with a message and nothing else: error lines alone make Cargo stop. After a
/// non-zero exit code it would add everything that was printed before, and bury the message.
fn fail(text: &str) -> ! {
    for line in text.lines() {
        println!("cargo::error={line}");
    }
    exit(0)
}
