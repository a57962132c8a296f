use core::mem::MaybeUninit;

use crate::layout::{self, Str, Window as Facts};
use crate::record;

/// What a filter looks at: a stretch of the text of one channel.
pub struct Window<'a> {
    /// The header; `layout` says what is in it.
    pub facts: &'a Facts,
    record: &'a [u8],
}

static mut FACTS: MaybeUninit<Facts> = MaybeUninit::uninit(); // for a host that knows a shorter one

impl<'a> Window<'a> {
    /// Reads a record that is aligned to 8 bytes; `None` when it is not one.
    pub fn load(bytes: &'a [u8]) -> Option<Window<'a>> {
        let facts = record::head(bytes, layout::MAGIC_WINDOW, unsafe { core::ptr::addr_of_mut!(FACTS) } as *mut Facts)?;
        Some(Window { facts, record: bytes })
    }

    /// What the window shows, whole UTF-8 characters.
    pub fn text(&self) -> &'a [u8] {
        record::text(self.record, self.facts.text)
    }

    /// What the channel's verdict before left.
    pub fn state(&self) -> &'a [u8] {
        record::text(self.record, self.facts.state)
    }

    /// Another string of the record: the model, the tenant or the tool's label.
    pub fn string(&self, s: Str) -> &'a [u8] {
        record::text(self.record, s)
    }

    /// Whether nothing of the channel came before the window.
    pub fn first(&self) -> bool {
        self.facts.flags & layout::WINDOW_FIRST != 0
    }

    /// Whether nothing follows: all of the text has to be settled.
    pub fn last(&self) -> bool {
        self.facts.flags & layout::WINDOW_FINAL != 0
    }

    /// Whether a filter may ask for more of the text: not at the end, and not
    /// when the window can grow no more: the next character may not fit in.
    pub fn waits(&self) -> bool {
        !self.last() && self.facts.text.len <= layout::MAX_WINDOW - 4
    }

    /// The last end of a character at or before `n`: what may be consumed.
    pub fn cut(&self, n: usize) -> usize {
        let text = self.text();
        let mut n = n.min(text.len());
        while n > 0 && n < text.len() && text[n] & 0xc0 == 0x80 {
            n -= 1;
        }
        n
    }
}
