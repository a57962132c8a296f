//! What a module may ask of its host. Each is granted by the manifest; in the
//! tests of a module, where there is no host, nothing is told and counters count.

pub use crate::layout::{LEVEL_DEBUG as DEBUG, LEVEL_ERROR as ERROR, LEVEL_INFO as INFO, LEVEL_WARN as WARN};

#[cfg(target_arch = "wasm32")]
mod sb {
    #[link(wasm_import_module = "sb")]
    extern "C" {
        pub fn log(level: u32, text: *const u8, len: u32);
        pub fn counter_add(id: u32, delta: i64) -> i64;
        pub fn metric(id: u32, value: f64);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod sb {
    use core::sync::atomic::{AtomicI64, Ordering};

    #[allow(clippy::declare_interior_mutable_const)]
    const ZERO: AtomicI64 = AtomicI64::new(0);
    static COUNTERS: [AtomicI64; crate::layout::MAX_COUNTERS as usize] = [ZERO; crate::layout::MAX_COUNTERS as usize];

    pub unsafe fn log(_: u32, _: *const u8, _: u32) {}

    pub unsafe fn counter_add(id: u32, delta: i64) -> i64 {
        COUNTERS[id as usize].fetch_add(delta, Ordering::Relaxed) + delta
    }

    pub unsafe fn metric(_: u32, _: f64) {}
}

/// Tells the gateway's log a line of up to 1 KiB; the grant is "log".
pub fn log(level: u32, text: &[u8]) {
    unsafe { sb::log(level, text.as_ptr(), text.len() as u32) }
}

/// Adds to one of 64 counters that all instances of the module share, and that
/// outlive them and their version, and returns what it then is; the grant is
/// "counters". It is not for the configuration: what it answers is recorded, so
/// that a decision can be repeated.
pub fn counter_add(id: u32, delta: i64) -> i64 {
    unsafe { sb::counter_add(id, delta) }
}

/// Sets one of 64 metrics of the module; the grant is "metrics".
pub fn metric(id: u32, value: f64) {
    unsafe { sb::metric(id, value) }
}
