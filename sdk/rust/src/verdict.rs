use crate::layout::{self, Str, Verdict as Header};

const HEADER: usize = core::mem::size_of::<Header>();
const OUTPUT: usize = layout::MAX_OUTPUT as usize;
const STATE: usize = layout::MAX_STATE as usize;
const REASON: usize = layout::MAX_REASON as usize;
const NOTHING: Str = Str { off: 0, len: 0 };

/// The answer of a filter. One of `pass`, `replace`, `block`, `more` and
/// `escalate` has to be called: a verdict that says nothing is an error. The
/// layout is that of the record, so that it needs no encoding: output, state and
/// reason follow the header.
#[repr(C)]
pub struct Verdict {
    head: Header,
    tail: [u8; OUTPUT + STATE + REASON],
    output: usize,
    state: usize,
    reason: usize,
    saved: [u8; STATE],
    said: [u8; REASON],
}

impl Verdict {
    /// A verdict to `reset`: all zero, so that as a static it takes no room in the module.
    pub const fn new() -> Verdict {
        Verdict {
            head: Header {
                magic: 0,
                version: 0,
                header_size: 0,
                action: 0,
                consumed: 0,
                output: NOTHING,
                state: NOTHING,
                reason: NOTHING,
                code: 0,
                findings: 0,
            },
            tail: [0; OUTPUT + STATE + REASON],
            output: 0,
            state: 0,
            reason: 0,
            saved: [0; STATE],
            said: [0; REASON],
        }
    }

    /// Empties the verdict.
    pub fn reset(&mut self) {
        self.head = Header {
            magic: layout::MAGIC_VERDICT,
            version: layout::MINOR as u16,
            header_size: HEADER as u16,
            action: 0,
            consumed: 0,
            output: NOTHING,
            state: NOTHING,
            reason: NOTHING,
            code: 0,
            findings: 0,
        };
        self.output = 0;
        self.state = 0;
        self.reason = 0;
    }

    /// Lets the first `n` bytes of the text go on.
    pub fn pass(&mut self, n: usize) {
        self.settle(layout::ACTION_PASS, n);
    }

    /// Lets what has been written go on in place of the first `n` bytes.
    pub fn replace(&mut self, n: usize) {
        self.settle(layout::ACTION_REPLACE, n);
    }

    /// Ends the request, or what is left of the answer.
    pub fn block(&mut self, code: u32, reason: &[u8]) {
        self.settle(layout::ACTION_BLOCK, 0);
        self.head.code = code;
        self.because(reason);
    }

    /// Consumes nothing: the text is shown again when more of it has come. It is
    /// not for windows that do not wait.
    pub fn more(&mut self) {
        self.settle(layout::ACTION_MORE, 0);
    }

    /// Holds the first `n` bytes until the operator's guard has judged them.
    pub fn escalate(&mut self, n: usize) {
        self.settle(layout::ACTION_ESCALATE, n);
    }

    fn settle(&mut self, action: u32, n: usize) {
        self.head.action = action;
        self.head.consumed = n as u32;
    }

    /// A code of the module's own, for metrics and error texts.
    pub fn code(&mut self, code: u32) {
        self.head.code = code;
    }

    /// Counts `n` more findings in what is settled, for metrics.
    pub fn found(&mut self, n: u32) {
        self.head.findings += n;
    }

    /// Appends to the output that `replace` lets go on. It reports whether there
    /// is room, which there is for twice the longest text.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > OUTPUT - self.output {
            return false;
        }
        self.tail[self.output..self.output + bytes.len()].copy_from_slice(bytes);
        self.output += bytes.len();
        true
    }

    /// Appends `n` times the byte `c` to the output, as `write` does.
    pub fn fill(&mut self, c: u8, n: usize) -> bool {
        if n > OUTPUT - self.output {
            return false;
        }
        self.tail[self.output..self.output + n].fill(c);
        self.output += n;
        true
    }

    /// How many bytes have been written.
    pub fn written(&self) -> usize {
        self.output
    }

    /// Leaves up to 256 bytes to the channel's next window.
    pub fn save(&mut self, state: &[u8]) {
        self.state = state.len().min(STATE);
        self.saved[..self.state].copy_from_slice(&state[..self.state]);
    }

    /// Says why; the decision log shows up to 128 bytes of it.
    pub fn because(&mut self, reason: &[u8]) {
        self.reason = reason.len().min(REASON);
        self.said[..self.reason].copy_from_slice(&reason[..self.reason]);
    }

    /// The verdict's bytes. They hold nothing of earlier verdicts: the same one
    /// gives the same bytes.
    pub fn bytes(&mut self) -> &[u8] {
        if self.head.action != layout::ACTION_REPLACE {
            self.output = 0;
        }
        let state = self.output;
        let reason = state + self.state;
        let end = reason + self.reason;
        if end > state {
            self.tail[state..reason].copy_from_slice(&self.saved[..self.state]);
            self.tail[reason..end].copy_from_slice(&self.said[..self.reason]);
        }
        let part = |from: usize, to: usize| Str { off: (HEADER + from) as u32, len: (to - from) as u32 };
        self.head.output = part(0, state);
        self.head.state = part(state, reason);
        self.head.reason = part(reason, end);
        unsafe { core::slice::from_raw_parts(self as *const Verdict as *const u8, HEADER + end) }
    }
}
