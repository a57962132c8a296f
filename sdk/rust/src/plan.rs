use crate::layout::{self, Attempt, Plan as Header, Str};

const MAX: usize = layout::MAX_TARGETS as usize;
const HEADER: usize = core::mem::size_of::<Header>();
const STRIDE: usize = core::mem::size_of::<Attempt>();

/// The answer of a routing module. Left empty it declines: the gateway uses its
/// built-in order. The layout is that of the record, so that it needs no encoding.
#[repr(C)]
pub struct Plan {
    head: Header,
    attempts: [Attempt; MAX],
    reason: [u8; layout::MAX_REASON as usize],
}

const NO_ATTEMPT: Attempt =
    Attempt { target: 0, timeout_ms: 0, weight: 0, backoff_ms: 0, backoff_max_ms: 0, hedge_ms: 0, flags: 0, reserved: 0 };

impl Plan {
    /// A plan to `reset`: all zero, so that as a static it takes no room in the module.
    pub const fn new() -> Plan {
        Plan {
            head: Header { magic: 0, version: 0, header_size: 0, attempts: 0, attempt_size: 0, code: 0, flags: 0, reason: Str { off: 0, len: 0 } },
            attempts: [NO_ATTEMPT; MAX],
            reason: [0; layout::MAX_REASON as usize],
        }
    }

    /// Empties the plan.
    pub fn reset(&mut self) {
        self.head = Header {
            magic: layout::MAGIC_PLAN,
            version: layout::MINOR as u16,
            header_size: HEADER as u16,
            attempts: 0,
            attempt_size: STRIDE as u32,
            code: 0,
            flags: 0,
            reason: Str { off: 0, len: 0 },
        };
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

    /// Whether nothing is planned yet.
    pub fn is_empty(&self) -> bool {
        self.head.attempts == 0
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
