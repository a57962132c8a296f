//! Guest SDK for routing modules of Signalbox, ABI sb/1.
//!
//! ```ignore
//! #![no_std]
//! signalbox::route!(decide);
//! fn decide(req: &signalbox::Request, plan: &mut signalbox::Plan) { plan.attempt(0); }
//! ```
//!
//! A decision is a pure function of the request: time and randomness are in
//! it. A module that panics, loops or answers nonsense costs one request,
//! which the gateway then orders by priority and weight.
#![no_std]

pub mod layout;
mod rank;

pub use layout::{Attempt, Target};
pub use rank::Rank;

use layout::{Config as ConfigHeader, Plan as PlanHeader, Request as Facts, Str};

/// What a module decides on: the facts and the targets.
pub struct Request<'a> {
    pub facts: &'a Facts,
    record: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a record that is aligned to 8 bytes; `None` when it is not one.
    pub fn load(record: &'a [u8]) -> Option<Request<'a>> {
        let facts: &Facts = overlay(record, 0)?;
        if facts.magic != layout::MAGIC_REQUEST || (facts.header_size as usize) < core::mem::size_of::<Facts>() {
            return None;
        }
        let (off, stride) = (facts.target_off as u64, facts.target_size as u64);
        let fits = off + stride * facts.targets as u64 <= record.len() as u64;
        if !fits || facts.targets > layout::MAX_TARGETS || stride < core::mem::size_of::<Target>() as u64 || (off | stride) % 8 != 0 {
            return None;
        }
        Some(Request { facts, record })
    }

    /// The number of targets, 1 to 64.
    pub fn len(&self) -> usize {
        self.facts.targets as usize
    }

    /// Target `i`; one that does not exist ends the call.
    pub fn target(&self, i: usize) -> &'a Target {
        assert!(i < self.len());
        let at = self.facts.target_off as usize + i * self.facts.target_size as usize;
        // In range and aligned: `load` has checked it.
        unsafe { &*(self.record.as_ptr().add(at) as *const Target) }
    }

    /// A string of the record, empty when it lies outside.
    pub fn text(&self, s: Str) -> &'a [u8] {
        text(self.record, s)
    }
}

fn text(record: &[u8], s: Str) -> &[u8] {
    let from = s.off as usize;
    record.get(from..from.saturating_add(s.len as usize)).unwrap_or(&[])
}

/// Lays a struct over bytes; the caller's alignment of 8 is what structs need.
fn overlay<T>(record: &[u8], at: usize) -> Option<&T> {
    let part = record.get(at..at + core::mem::size_of::<T>())?;
    if part.as_ptr() as usize % core::mem::align_of::<T>() != 0 {
        return None;
    }
    Some(unsafe { &*(part.as_ptr() as *const T) })
}

/// Reports whether a target should not be used while others are there.
pub fn resting(t: &Target) -> bool {
    t.retry_after_ms > 0 || t.circuit == layout::CIRCUIT_OPEN
}

const MAX: usize = layout::MAX_TARGETS as usize;
const HEADER: usize = core::mem::size_of::<PlanHeader>();
const STRIDE: usize = core::mem::size_of::<Attempt>();

/// The answer. Left empty it declines: the gateway uses its built-in order.
/// The layout is that of the record, so that it needs no encoding.
#[repr(C)]
pub struct Plan {
    head: PlanHeader,
    attempts: [Attempt; MAX],
    reason: [u8; layout::MAX_REASON as usize],
}

const NO_ATTEMPT: Attempt =
    Attempt { target: 0, timeout_ms: 0, weight: 0, backoff_ms: 0, backoff_max_ms: 0, hedge_ms: 0, flags: 0, reserved: 0 };

impl Plan {
    /// An empty plan.
    pub const fn new() -> Plan {
        Plan { head: EMPTY, attempts: [NO_ATTEMPT; MAX], reason: [0; layout::MAX_REASON as usize] }
    }

    /// Empties the plan.
    pub fn reset(&mut self) {
        self.head = EMPTY;
    }

    /// Appends target `i` and returns the attempt, for timings. Each target can
    /// be tried once: the gateway refuses plans that name one twice.
    pub fn attempt(&mut self, i: usize) -> &mut Attempt {
        let a = &mut self.attempts[self.head.attempts as usize];
        *a = NO_ATTEMPT;
        a.target = i as u32;
        self.head.attempts += 1;
        a
    }

    /// Ends the request with a code of the module's own, not 0.
    pub fn refuse(&mut self, code: u32, reason: &[u8]) {
        self.head.attempts = 0;
        self.head.code = code;
        self.because(reason);
    }

    /// Says why; the decision log shows up to 128 bytes of it.
    pub fn because(&mut self, reason: &[u8]) {
        let n = reason.len().min(self.reason.len());
        self.reason[..n].copy_from_slice(&reason[..n]);
        self.head.reason.len = n as u32;
    }

    /// The plan's bytes, empty when it declines. They hold nothing of earlier
    /// plans: the same decision gives the same bytes.
    pub fn bytes(&mut self) -> &[u8] {
        let (n, reason) = (HEADER + self.head.attempts as usize * STRIDE, self.head.reason.len as usize);
        if reason == 0 && self.head.attempts == 0 && self.head.code == 0 {
            return &[];
        }
        self.head.reason.off = n as u32;
        let all = self as *mut Plan as *mut u8;
        // Over attempts that are not in use; with all of them in use it is there already.
        unsafe {
            core::ptr::copy(self.reason.as_ptr(), all.add(n), reason);
            core::slice::from_raw_parts(all, n + reason)
        }
    }
}

const EMPTY: PlanHeader = PlanHeader {
    magic: layout::MAGIC_PLAN,
    version: (layout::ABI & 0xffff) as u16,
    header_size: HEADER as u16,
    attempts: 0,
    attempt_size: STRIDE as u32,
    code: 0,
    flags: 0,
    reason: Str { off: 0, len: 0 },
};

/// Where the host writes records. One instance runs one call at a time.
#[repr(C, align(16))]
pub struct Buffer(pub [u8; Buffer::SIZE]);

impl Buffer {
    /// The largest record that a module takes.
    pub const SIZE: usize = 32 << 10;
}

/// Reads a configuration record: the module's name and its JSON.
pub fn config(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let head: &ConfigHeader = overlay(record, 0)?;
    if head.magic != layout::MAGIC_CONFIG {
        return None;
    }
    Some((text(record, head.name), text(record, head.data)))
}

/// Packs what an export answers: address and length, 0 for nothing.
pub fn pack(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    (bytes.as_ptr() as usize as u64) << 32 | bytes.len() as u64
}

/// Exports a module that decides with `$decide(&Request, &mut Plan)` and, if
/// given, takes its configuration with `$configure(&[u8]) -> bool`.
#[macro_export]
macro_rules! route {
    ($decide:path) => {
        fn accept(_: &[u8]) -> bool {
            true
        }
        $crate::route!($decide, accept);
    };
    ($decide:path, $configure:path) => {
        static mut BUFFER: $crate::Buffer = $crate::Buffer([0; $crate::Buffer::SIZE]);
        static mut PLAN: $crate::Plan = $crate::Plan::new();

        #[no_mangle]
        pub extern "C" fn sb_abi() -> u32 {
            $crate::layout::ABI
        }

        #[no_mangle]
        pub extern "C" fn sb_buf(least: u32) -> u64 {
            if least as usize > $crate::Buffer::SIZE {
                return 0;
            }
            $crate::pack(unsafe { &(*core::ptr::addr_of!(BUFFER)).0 })
        }

        #[no_mangle]
        pub extern "C" fn sb_configure(_: u32, len: u32) -> i32 {
            let record = unsafe { &(*core::ptr::addr_of!(BUFFER)).0 };
            match $crate::config(&record[..len as usize]) {
                Some((_, json)) if $configure(json) => 0,
                _ => 1,
            }
        }

        #[no_mangle]
        pub extern "C" fn sb_route(_: u32, len: u32) -> u64 {
            let record = unsafe { &(*core::ptr::addr_of!(BUFFER)).0 };
            let plan = unsafe { &mut *core::ptr::addr_of_mut!(PLAN) };
            match $crate::Request::load(&record[..len as usize]) {
                Some(request) => {
                    plan.reset();
                    $decide(&request, plan);
                    $crate::pack(plan.bytes())
                }
                None => 0,
            }
        }
    };
}

/// A panic ends the call; the host closes the instance.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
