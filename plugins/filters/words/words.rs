//! Words blocks, or takes out, what the operator lists: words and phrases of up
//! to six words, found at the borders of words whatever their case.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error, Reader, Result, Room};
use signalbox::{Config, Verdict, Window};

signalbox::filter!(screen, config: configure);

const SLOTS: usize = 4096;
const MOST: usize = SLOTS / 2; // phrases
const LONGEST: usize = 6; // words of a phrase
const LETTERS: usize = 32; // bytes of a word that can be one's

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Block,
    Redact,
    Escalate,
}

struct Settings {
    phrases: [u64; SLOTS], // by hash, open addressing; 0: free
    n: usize,
    longest: usize, // words
    action: Action,
    room: Room<128>,
    instead: json::Kept,
}

static mut SETTINGS: Settings =
    Settings { phrases: [0; SLOTS], n: 0, longest: 0, action: Action::Block, room: Room::new(), instead: json::Kept::NONE };

fn configure(config: &Config) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(config.json, |r, key| match key {
        b"words" => r.array(|r| s.add(r)),
        b"replacement" => s.room.keep(r.string()?).map(|k| s.instead = k),
        b"action" => {
            s.action = match r.string()? {
                b"block" => Action::Block,
                b"redact" => Action::Redact,
                b"escalate" => Action::Escalate,
                _ => return Err(Error::new("is not block, redact or escalate")),
            };
            Ok(())
        }
        _ => Err(Error::unknown(key)),
    }))
}

impl Settings {
    fn add<'a>(&mut self, r: &mut Reader<'a>) -> Result<'a, ()> {
        let mut text = [0; 256];
        let n = json::unescape(r.string()?, &mut text).ok_or(Error::new("has a phrase that is too long"))?;
        let (mut hash, mut words, mut at) = (START, 0, 0);
        while let Some(w) = word(&text[..n], at) {
            if w.to - w.from > LETTERS || words == LONGEST {
                return Err(Error::new("has a word of more than 32 bytes, or a phrase of more than 6 words"));
            }
            hash = join(hash, w.hash);
            words += 1;
            at = w.to;
        }
        if words == 0 || self.n == MOST {
            return Err(Error::new("has an entry without letters, or more than 2048 entries"));
        }
        let mut slot = hash as usize % SLOTS;
        while self.phrases[slot] != 0 && self.phrases[slot] != hash {
            slot = (slot + 1) % SLOTS;
        }
        self.n += (self.phrases[slot] == 0) as usize;
        self.phrases[slot] = hash;
        self.longest = self.longest.max(words);
        Ok(())
    }

    fn has(&self, hash: u64) -> bool {
        let mut slot = hash as usize % SLOTS;
        while self.phrases[slot] != 0 {
            if self.phrases[slot] == hash {
                return true;
            }
            slot = (slot + 1) % SLOTS;
        }
        false
    }
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

/// The hash of a phrase that goes on with a word.
fn join(phrase: u64, word: u64) -> u64 {
    (phrase.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

#[derive(Clone, Copy)]
struct Word {
    from: usize,
    to: usize,
    hash: u64,
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'\'' || byte == b'_'
}

/// The first word at or after a place.
fn word(text: &[u8], mut at: usize) -> Option<Word> {
    while !in_word(*text.get(at)?) {
        at += 1;
    }
    let (from, mut hash) = (at, START);
    while at < text.len() && in_word(text[at]) {
        hash = step(hash, text[at].to_ascii_lowercase());
        at += 1;
    }
    Some(Word { from, to: at, hash })
}

/// What the phrases that begin with a word come to.
enum Found {
    No,
    Yes(usize), // where it ends
    Unsure,
}

/// Words of a phrase stand at most so many bytes apart.
const APART: usize = 4;

fn phrase(s: &Settings, text: &[u8], first: Word, more: bool) -> Found {
    let (mut hash, mut w, mut end) = (START, first, 0);
    for n in 1..=s.longest {
        if more && w.to == text.len() && w.to - first.from <= LONGEST * (LETTERS + APART) {
            return if w.to - w.from > LETTERS { found(end) } else { Found::Unsure };
        }
        if w.to - w.from > LETTERS {
            break;
        }
        hash = join(hash, w.hash);
        if s.has(hash) {
            end = w.to;
        }
        if n == s.longest {
            break;
        }
        match word(text, w.to) {
            Some(next) if next.from - w.to <= APART => w = next,
            None if more && text.len() - w.to <= APART => return Found::Unsure,
            _ => break,
        }
    }
    found(end)
}

fn found(end: usize) -> Found {
    if end > 0 {
        Found::Yes(end)
    } else {
        Found::No
    }
}

/// The state is one byte: the text before the window ends within a word that is
/// too long to be one of a phrase.
fn screen(w: &Window, v: &mut Verdict) {
    let s = unsafe { &*addr_of_mut!(SETTINGS) };
    let (text, more) = (w.text(), !w.last());
    let (mut at, mut kept, mut hits) = (0, 0, 0);
    if w.state() == [1] {
        while at < text.len() && in_word(text[at]) {
            at += 1;
        }
    }
    let mut end = text.len();
    while let Some(first) = word(text, at) {
        match phrase(s, text, first, more) {
            Found::No => at = first.to,
            Found::Unsure => {
                end = first.from;
                break;
            }
            Found::Yes(to) => {
                hits += 1;
                if s.action == Action::Block {
                    v.found(1);
                    return v.block(1, b"the text holds a word of the operator's list");
                }
                v.write(&text[kept..first.from]);
                v.write(s.room.get(s.instead));
                kept = to;
                at = to;
            }
        }
    }
    if end == 0 && !text.is_empty() && w.waits() {
        v.save(w.state());
        return v.more();
    }
    let within = end > 0 && more && end == text.len() && in_word(text[end - 1]);
    v.save(&[within as u8]);
    v.found(hits);
    if hits == 0 {
        return v.pass(end);
    }
    if s.action == Action::Escalate {
        return v.escalate(end);
    }
    v.write(&text[kept..end]);
    v.replace(end);
}
