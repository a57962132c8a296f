use core::mem::MaybeUninit;

use crate::layout::{self, Observation as Facts, Outcome, Str};
use crate::record;

/// Outcomes of attempts, oldest first. What a module learns from them goes to
/// counters: other instances decide.
pub struct Batch<'a> {
    /// The header; `layout` says what is in it.
    pub facts: &'a Facts,
    record: &'a [u8],
    first: *const u8,
    stride: usize,
}

// For a host that knows shorter ones.
static mut FACTS: MaybeUninit<Facts> = MaybeUninit::uninit();
static mut OUTCOMES: MaybeUninit<[Outcome; layout::MAX_OUTCOMES as usize]> = MaybeUninit::uninit();

impl<'a> Batch<'a> {
    /// Reads a record that is aligned to 8 bytes; `None` when it is not one.
    pub fn load(bytes: &'a [u8]) -> Option<Batch<'a>> {
        let facts = record::head(bytes, layout::MAGIC_OBSERVATION, unsafe { core::ptr::addr_of_mut!(FACTS) } as *mut Facts)?;
        let room = unsafe { core::ptr::addr_of_mut!(OUTCOMES) } as *mut [Outcome; layout::MAX_OUTCOMES as usize];
        let (first, stride) = record::parts(bytes, facts.outcome_off, facts.outcome_size, facts.outcomes, room)?;
        Some(Batch { facts, record: bytes, first, stride })
    }

    /// The number of outcomes.
    pub fn len(&self) -> usize {
        self.facts.outcomes as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Outcome `i`; one that does not exist ends the call.
    pub fn outcome(&self, i: usize) -> &'a Outcome {
        assert!(i < self.len());
        // In range and aligned: `load` has checked it.
        unsafe { &*(self.first.add(i * self.stride) as *const Outcome) }
    }

    /// A string of the record, empty when it lies outside.
    pub fn text(&self, s: Str) -> &'a [u8] {
        record::text(self.record, s)
    }
}
