//! Injection looks for text that tries to give a model other instructions than
//! its operator's: in what users write, and in what tools bring along. It adds
//! up what the signs that it finds are worth, and blocks from a threshold on.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::layout::{CHANNEL_TOOL_RESULT, CHANNEL_USER};
use signalbox::{Config, Verdict, Window};

mod signs;
use signs::{HEADS, OTHER, PIPED, REACH, TAGS};

signalbox::filter!(screen, config: configure);

struct Settings {
    threshold: u32,
    escalate: bool, // instead of blocking: a guard has the last word
    users: bool,
    tools: bool,
}

static mut SETTINGS: Settings = Settings { threshold: 3, escalate: false, users: true, tools: true };

fn configure(config: &Config) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(config.json, |r, key| match key {
        b"threshold" => r.whole(1, 20).map(|n| s.threshold = n),
        b"users" => r.boolean().map(|b| s.users = b),
        b"tools" => r.boolean().map(|b| s.tools = b),
        b"action" => match r.string()? {
            b"block" => Ok(s.escalate = false),
            b"escalate" => Ok(s.escalate = true),
            _ => Err(Error::new("is not block or escalate")),
        },
        _ => Err(Error::unknown(key)),
    }))
}

/// What is known of a channel so far; it travels as the channel's state.
struct Reading {
    score: u32,
    hash: u32, // of the word that has begun
    within: bool,
    last: [u8; REACH], // parts of the words before it, the newest first
}

impl Reading {
    fn load(state: &[u8]) -> Reading {
        let mut r = Reading { score: 0, hash: signs::START, within: false, last: [OTHER; REACH] };
        if state.len() == 6 + REACH {
            r.score = state[0] as u32;
            r.hash = u32::from_le_bytes([state[1], state[2], state[3], state[4]]);
            r.within = state[5] != 0;
            r.last.copy_from_slice(&state[6..]);
        }
        r
    }

    fn save(&self, v: &mut Verdict) {
        let mut state = [0; 6 + REACH];
        state[0] = self.score.min(255) as u8;
        state[1..5].copy_from_slice(&self.hash.to_le_bytes());
        state[5] = self.within as u8;
        state[6..].copy_from_slice(&self.last);
        v.save(&state);
    }

    fn letter(&mut self, byte: u8) {
        self.hash = signs::step(self.hash, byte);
        self.within = true;
    }

    fn end_word(&mut self) {
        if !self.within {
            return;
        }
        self.push(signs::part(self.hash));
        self.score += signs::weigh(&self.last);
        self.hash = signs::START;
        self.within = false;
    }

    fn push(&mut self, part: u8) {
        self.last.copy_within(..REACH - 1, 1);
        self.last[0] = part;
    }
}

/// How many bytes at the beginning of text are a character that is not seen.
fn invisible(text: &[u8]) -> usize {
    match text {
        [0xe2, 0x80, 0x8b..=0x8f, ..] | [0xe2, 0x81, 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
        [0xc2, 0xad, ..] => 2,
        _ => 0,
    }
}

enum Mark {
    No,
    Yes(usize),
    Unsure,
}

/// Whether text begins with a mark.
fn mark(text: &[u8], more: bool) -> Mark {
    let group: &[&[u8]] = match text {
        [_] => return if more { Mark::Unsure } else { Mark::No },
        [b'<', b'|', ..] => PIPED,
        [b'<', b'<'] | [b'<', b'<', b'S', ..] | [b'<', b's' | b'/', ..] | [b'[', b'I' | b'/', ..] => TAGS,
        [_, b'#', b'#', b' ', ..] | [_, b'#'] | [_, b'#', b'#'] => HEADS,
        _ => return Mark::No,
    };
    for m in group {
        if m[1] != text[1] || text.len() > 2 && m[2] != text[2] {
            continue;
        }
        if text.starts_with(m) {
            return Mark::Yes(m.len());
        }
        if more && m.starts_with(text) {
            return Mark::Unsure;
        }
    }
    Mark::No
}

/// Reads text and returns how much of it; what may be the beginning of a mark waits.
fn read(r: &mut Reading, text: &[u8], more: bool) -> usize {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        match byte {
            b'a'..=b'z' => r.letter(byte),
            b'A'..=b'Z' => r.letter(byte | 0x20),
            b'\'' => {}
            0x80..=0xff => match invisible(&text[at..]) {
                0 => r.letter(byte),
                n => at += n - 1,
            },
            b'<' | b'[' | b'#' => {
                r.end_word();
                match mark(&text[at..], more) {
                    Mark::Yes(n) => {
                        r.score += 3;
                        at += n - 1;
                    }
                    Mark::Unsure => return at,
                    Mark::No => {}
                }
            }
            _ => {
                r.end_word();
                if matches!(byte, b'.' | b'!' | b'?' | b';') {
                    r.push(OTHER); // sentences stand alone
                }
            }
        }
        at += 1;
    }
    if !more {
        r.end_word();
    }
    at
}

fn screen(w: &Window, v: &mut Verdict) {
    let s = unsafe { &*addr_of_mut!(SETTINGS) };
    let text = w.text();
    let looks = match w.facts.channel {
        CHANNEL_USER => s.users,
        CHANNEL_TOOL_RESULT => s.tools,
        _ => false,
    };
    if !looks {
        return v.pass(text.len());
    }
    let mut r = Reading::load(w.state());
    let before = r.score;
    let n = read(&mut r, text, !w.last());
    if r.score >= s.threshold && !s.escalate {
        v.found(1);
        return v.block(1, b"the text tries to change the model's instructions");
    }
    r.save(v);
    if n == 0 && !text.is_empty() && w.waits() {
        return v.more();
    }
    if r.score >= s.threshold && r.score > before {
        v.found(1);
        v.because(b"the text may try to change the model's instructions");
        return v.escalate(n);
    }
    v.pass(n);
}
