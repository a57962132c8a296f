use core::mem::MaybeUninit;

use crate::layout::{self, Request as Facts, Str, Target};
use crate::record;

/// What a routing module decides on: the facts and the targets.
pub struct Request<'a> {
    /// The header; `layout` says what is in it.
    pub facts: &'a Facts,
    record: &'a [u8],
    first: *const u8,
    stride: usize,
}

// For a host that knows shorter ones. One call runs at a time.
static mut FACTS: MaybeUninit<Facts> = MaybeUninit::uninit();
static mut TARGETS: MaybeUninit<[Target; layout::MAX_TARGETS as usize]> = MaybeUninit::uninit();

impl<'a> Request<'a> {
    /// Reads a record that is aligned to 8 bytes; `None` when it is not one.
    pub fn load(bytes: &'a [u8]) -> Option<Request<'a>> {
        let facts = record::head(bytes, layout::MAGIC_REQUEST, unsafe { core::ptr::addr_of_mut!(FACTS) } as *mut Facts)?;
        let room = unsafe { core::ptr::addr_of_mut!(TARGETS) } as *mut [Target; layout::MAX_TARGETS as usize];
        let (first, stride) = record::parts(bytes, facts.target_off, facts.target_size, facts.targets, room)?;
        Some(Request { facts, record: bytes, first, stride })
    }

    /// The number of targets, 1 to 64.
    pub fn len(&self) -> usize {
        self.facts.targets as usize
    }

    /// Whether there are none, which the gateway never asks about.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Target `i`; one that does not exist ends the call.
    pub fn target(&self, i: usize) -> &'a Target {
        assert!(i < self.len());
        // In range and aligned: `load` has checked it.
        unsafe { &*(self.first.add(i * self.stride) as *const Target) }
    }

    /// A string of the record, empty when it lies outside.
    pub fn text(&self, s: Str) -> &'a [u8] {
        record::text(self.record, s)
    }
}

/// Reports whether a target should not be used while others are there: it asked
/// for a pause, or its breaker is open.
pub fn resting(t: &Target) -> bool {
    t.retry_after_ms > 0 || t.circuit == layout::CIRCUIT_OPEN
}
