//! Lets what is built here find OpenVDB where no loader looks by itself: what the build script of
//! temporal-vdb says to the linker holds for the binaries of its own package alone.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(folders) = std::env::var("DEP_TEMPORAL_VDB_CORE_RPATH") {
        for folder in folders.split(':') {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        }
    }
}
