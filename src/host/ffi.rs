//! The bridge to what only C++ can do to the machine. `include/temporal_vdb/host_bridge.h` reads the
//! same; only `float_mode.rs` and `freed_memory.rs` may use this.
#![allow(unsafe_code)]

#[cxx::bridge(namespace = "temporal_vdb::bridge")]
mod bridge {
    // SAFETY: none of these takes or gives anything that could dangle.
    unsafe extern "C++" {
        include!("temporal_vdb/host_bridge.h");

        #[namespace = "temporal_vdb"]
        type FloatMode;

        fn ieee_mode() -> UniquePtr<FloatMode>;
        fn keep_ieee_mode();
        fn release_freed_memory();
        fn return_freed_memory_early();
    }
}

pub(crate) use bridge::*;
