//! A reader of small JSON texts, for configurations: it allocates nothing and
//! keeps slices of the text. Read in order, each value once:
//!
//! ```ignore
//! let mut r = Reader::new(text);
//! r.object(|r, key| match key {
//!     b"share" => { share = r.number(0.0, 1.0)?; Ok(()) }
//!     _ => Err(Error::unknown(key)),
//! })?;
//! r.end()
//! ```
//!
//! Errors name the member that they are about. Objects and arrays may be nested
//! 16 deep; strings come as they lie in the text, and `unescape` decodes them.

/// Why a text was not accepted, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Error<'a> {
    /// The member, empty at the top.
    pub at: &'a [u8],
    pub what: &'static str,
}

impl<'a> Error<'a> {
    /// An error without a place: `object` adds the member's name.
    pub fn new(what: &'static str) -> Error<'a> {
        Error { at: &[], what }
    }

    /// The error for a member that nobody asked for.
    pub fn unknown(key: &'a [u8]) -> Error<'a> {
        Error { at: key, what: "is not known" }
    }
}

pub type Result<'a, T> = core::result::Result<T, Error<'a>>;

const DEPTH: u32 = 16;

/// Reads one text from its beginning to its end.
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a [u8]) -> Reader<'a> {
        Reader { text, at: 0, depth: 0 }
    }

    /// The next byte that is no white space, 0 at the end.
    fn peek(&mut self) -> u8 {
        while let Some(&c) = self.text.get(self.at) {
            if !matches!(c, b' ' | b'\t' | b'\n' | b'\r') {
                return c;
            }
            self.at += 1;
        }
        0
    }

    fn take(&mut self, c: u8) -> bool {
        let is = self.peek() == c;
        self.at += is as usize;
        is
    }

    fn enter(&mut self, open: u8, what: &'static str) -> Result<'a, ()> {
        if self.depth == DEPTH {
            return Err(Error::new("is nested too deep"));
        }
        if !self.take(open) {
            return Err(Error::new(what));
        }
        self.depth += 1;
        Ok(())
    }

    /// Reads an object; `member` reads each value.
    pub fn object(&mut self, mut member: impl FnMut(&mut Reader<'a>, &'a [u8]) -> Result<'a, ()>) -> Result<'a, ()> {
        self.enter(b'{', "is not an object")?;
        let mut first = true;
        while !self.take(b'}') {
            if !first && !self.take(b',') {
                return Err(Error::new("is not valid JSON"));
            }
            first = false;
            let key = self.string()?;
            if !self.take(b':') {
                return Err(Error::new("is not valid JSON"));
            }
            member(self, key).map_err(|e| if e.at.is_empty() { Error { at: key, ..e } } else { e })?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads an array; `item` reads each value.
    pub fn array(&mut self, mut item: impl FnMut(&mut Reader<'a>) -> Result<'a, ()>) -> Result<'a, ()> {
        self.enter(b'[', "is not a list")?;
        let mut first = true;
        while !self.take(b']') {
            if !first && !self.take(b',') {
                return Err(Error::new("is not valid JSON"));
            }
            first = false;
            item(self)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string: what lies between the quotes, escapes and all.
    pub fn string(&mut self) -> Result<'a, &'a [u8]> {
        if !self.take(b'"') {
            return Err(Error::new("is not a string"));
        }
        let from = self.at;
        while let Some(&c) = self.text.get(self.at) {
            match c {
                b'"' => {
                    self.at += 1;
                    return Ok(&self.text[from..self.at - 1]);
                }
                b'\\' => self.at += 2,
                0..=0x1f => break,
                _ => self.at += 1,
            }
        }
        Err(Error::new("is not valid JSON"))
    }

    pub fn boolean(&mut self) -> Result<'a, bool> {
        self.peek();
        let rest = &self.text[self.at..];
        if rest.starts_with(b"true") {
            self.at += 4;
            return Ok(true);
        }
        if rest.starts_with(b"false") {
            self.at += 5;
            return Ok(false);
        }
        Err(Error::new("is neither true nor false"))
    }

    /// Reads a number between `least` and `most`, both included.
    pub fn number(&mut self, least: f64, most: f64) -> Result<'a, f64> {
        self.peek();
        let from = self.at;
        while matches!(self.text.get(self.at), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let n = parse(&self.text[from..self.at]).ok_or(Error::new("is not a number"))?;
        if n < least || n > most {
            return Err(Error::new("is out of range"));
        }
        Ok(n)
    }

    /// Reads a whole number between `least` and `most`, both included.
    pub fn whole(&mut self, least: u32, most: u32) -> Result<'a, u32> {
        let n = self.number(least as f64, most as f64)?;
        if n != n as u32 as f64 {
            return Err(Error::new("is not a whole number"));
        }
        Ok(n as u32)
    }

    /// Checks that nothing follows.
    pub fn end(&mut self) -> Result<'a, ()> {
        if self.peek() != 0 || self.at < self.text.len() {
            return Err(Error::new("is not valid JSON"));
        }
        Ok(())
    }
}

/// The value of a JSON number. Up to 18 digits count, which is more than a
/// configuration needs; the last bit of the result may differ from the nearest.
fn parse(text: &[u8]) -> Option<f64> {
    let mut rest = text;
    let negative = skip(&mut rest, b'-');
    let (mut value, mut scale) = (0u64, 0i32);
    if rest.len() > 1 && rest[0] == b'0' && rest[1].is_ascii_digit() {
        return None;
    }
    let whole = digits(&mut rest, &mut value, &mut scale);
    let mut fraction = 1;
    if skip(&mut rest, b'.') {
        let mut kept = 0;
        fraction = digits(&mut rest, &mut value, &mut kept);
        scale -= fraction as i32 - kept;
    }
    if skip(&mut rest, b'e') || skip(&mut rest, b'E') {
        let down = skip(&mut rest, b'-') || (skip(&mut rest, b'+') && false);
        let (mut by, mut over) = (0u64, 0i32);
        if digits(&mut rest, &mut by, &mut over) == 0 || over > 0 || by > 300 {
            return None;
        }
        scale += if down { -(by as i32) } else { by as i32 };
    }
    if whole == 0 || fraction == 0 || !rest.is_empty() {
        return None;
    }
    let mut out = value as f64;
    for _ in 0..scale.unsigned_abs().min(400) {
        out = if scale < 0 { out / 10.0 } else { out * 10.0 };
    }
    Some(if negative { -out } else { out })
}

fn skip(rest: &mut &[u8], c: u8) -> bool {
    let is = rest.first() == Some(&c);
    *rest = &rest[is as usize..];
    is
}

/// Reads digits into `value`, counts those that no longer fit in `over`, and
/// returns how many there were.
fn digits(rest: &mut &[u8], value: &mut u64, over: &mut i32) -> usize {
    let n = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    for c in &rest[..n] {
        if *value < 100_000_000_000_000_000 {
            *value = *value * 10 + (c - b'0') as u64;
        } else {
            *over += 1;
        }
    }
    *rest = &rest[n..];
    n
}

/// Decodes a string into `to` and returns its length; `None` when an escape is
/// wrong or there is too little room.
pub fn unescape(text: &[u8], to: &mut [u8]) -> Option<usize> {
    let (mut at, mut n) = (0, 0);
    while at < text.len() {
        let mut utf8 = [0; 4];
        let mut bytes = &text[at..at + 1];
        at += 1;
        if bytes[0] == b'\\' {
            let c = escape(text, &mut at)?;
            bytes = c.encode_utf8(&mut utf8).as_bytes();
        }
        to.get_mut(n..n + bytes.len())?.copy_from_slice(bytes);
        n += bytes.len();
    }
    Some(n)
}

/// The character of the escape whose letter is at `at`.
fn escape(text: &[u8], at: &mut usize) -> Option<char> {
    let letter = *text.get(*at)?;
    *at += 1;
    Some(match letter {
        b'"' | b'\\' | b'/' => letter as char,
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let mut c = hex(text, at)?;
            if (0xd800..0xdc00).contains(&c) && text.get(*at..*at + 2)? == b"\\u" {
                *at += 2;
                c = 0x10000 + ((c - 0xd800) << 10) + hex(text, at)?.checked_sub(0xdc00)?;
            }
            char::from_u32(c)?
        }
        _ => return None,
    })
}

fn hex(text: &[u8], at: &mut usize) -> Option<u32> {
    let mut v = 0;
    for c in text.get(*at..*at + 4)? {
        v = v << 4 | (*c as char).to_digit(16)?;
    }
    *at += 4;
    Some(v)
}

/// Room for the strings of a configuration: the record that brings them is
/// overwritten by the next one.
pub struct Room<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

/// A string in a `Room`.
#[derive(Clone, Copy, PartialEq)]
pub struct Kept {
    from: u32,
    len: u32,
}

impl Kept {
    /// The empty string, of any room.
    pub const NONE: Kept = Kept { from: 0, len: 0 };

    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Room<N> {
    pub const fn new() -> Room<N> {
        Room { bytes: [0; N], used: 0 }
    }

    /// Keeps a string as `Reader::string` gave it, decoded.
    pub fn keep<'a>(&mut self, text: &'a [u8]) -> Result<'a, Kept> {
        let from = self.used;
        let len = unescape(text, &mut self.bytes[from..]).ok_or(Error::new("is not a valid string, or one too many"))?;
        self.used += len;
        Ok(Kept { from: from as u32, len: len as u32 })
    }

    pub fn get(&self, s: Kept) -> &[u8] {
        self.bytes.get(s.from as usize..s.from as usize + s.len as usize).unwrap_or(&[])
    }
}

/// Whether a configuration was read; why not goes to the log.
pub fn accept(read: Result<()>) -> bool {
    if let Err(e) = &read {
        let (mut line, mut n) = ([0; 256], 0);
        let parts: [&[u8]; 4] = [b"configuration: ", e.at, if e.at.is_empty() { b"it " } else { b" " }, e.what.as_bytes()];
        for part in parts {
            let take = part.len().min(line.len() - n);
            line[n..n + take].copy_from_slice(&part[..take]);
            n += take;
        }
        crate::host::log(crate::host::ERROR, &line[..n]);
    }
    read.is_ok()
}

/// Reads a whole configuration, an object or nothing at all.
pub fn read<'a>(text: &'a [u8], member: impl FnMut(&mut Reader<'a>, &'a [u8]) -> Result<'a, ()>) -> Result<'a, ()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut r = Reader::new(text);
    r.object(member)?;
    r.end()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn number(text: &str) -> Option<f64> {
        let mut r = Reader::new(text.as_bytes());
        let n = r.number(-1e300, 1e300).ok()?;
        r.end().ok()?;
        Some(n)
    }

    #[test]
    fn numbers() {
        for text in ["0", "1", "-1", "12.5", "0.25", "1e3", "2.5E-2", "1E+2", "4294967295", "100000000000000000000"] {
            let (got, want) = (number(text).unwrap(), text.parse::<f64>().unwrap());
            assert!((got - want).abs() <= want.abs() * 1e-15, "{}: {} {}", text, got, want);
        }
        for text in ["", "-", ".", "1.", ".5", "1e", "1e999", "--1", "+1", "01", "1 2", "0x1", "NaN"] {
            assert_eq!(number(text), None, "{}", text);
        }
    }

    #[test]
    fn objects() {
        let text = br#" {"a": [1, 2.0, 3], "b\u0041": {"c": true}, "s": "x\"y"} "#;
        let (mut sum, mut c, mut s) = (0, false, &b""[..]);
        let mut r = Reader::new(text);
        r.object(|r, key| match key {
            b"a" => r.array(|r| {
                sum += r.whole(0, 9)?;
                Ok(())
            }),
            b"s" => {
                s = r.string()?;
                Ok(())
            }
            _ => r.object(|r, _| {
                c = r.boolean()?;
                Ok(())
            }),
        })
        .unwrap();
        r.end().unwrap();
        assert!(sum == 6 && c && s == br#"x\"y"#);
    }

    #[test]
    fn errors() {
        let f = |text: &'static str| -> Error<'static> {
            let mut r = Reader::new(text.as_bytes());
            let object = r.object(|r, key| match key {
                b"n" => r.whole(1, 9).map(|_| ()),
                b"in" => r.object(|r, _| r.boolean().map(|_| ())),
                b"deep" => nested(r),
                _ => Err(Error::unknown(key)),
            });
            object.and_then(|_| r.end()).unwrap_err()
        };
        assert_eq!(f("{\"m\":1}"), Error { at: b"m", what: "is not known" });
        assert_eq!(f("{\"n\":10}"), Error { at: b"n", what: "is out of range" });
        assert_eq!(f("{\"n\":1.5}"), Error { at: b"n", what: "is not a whole number" });
        assert_eq!(f("{\"n\":\"1\"}"), Error { at: b"n", what: "is not a number" });
        assert_eq!(f("{\"in\":{\"x\":1}}"), Error { at: b"x", what: "is neither true nor false" });
        assert_eq!(f("{\"n\":1} {").at, b"");
        assert_eq!(f("{\"deep\":[[[[[[[[[[[[[[[[[[").what, "is nested too deep");
        for text in ["", "[]", "{", "{,}", "{\"n\":1,}", "{\"n\":1 \"n\":2}", "{\"n\" 1}", "{\"n", "{\"n\\"] {
            f(text);
        }
    }

    fn nested<'a>(r: &mut Reader<'a>) -> Result<'a, ()> {
        r.array(nested)
    }

    /// Reads any value, to no end.
    fn any<'a>(r: &mut Reader<'a>, room: &mut Room<64>) -> Result<'a, ()> {
        match r.peek() {
            b'{' => r.object(|r, _| any(r, room)),
            b'[' => r.array(|r| any(r, room)),
            b'"' => {
                let text = r.string()?;
                let kept = room.keep(text)?;
                let _ = room.get(kept);
                Ok(())
            }
            b't' | b'f' => r.boolean().map(|_| ()),
            _ => r.number(-1e9, 1e9).map(|_| ()),
        }
    }

    #[test]
    fn mutations() {
        let seed = br#"{"a": [1, 2.5e-3, -0], "b\u0041\ud83d\ude00": {"c": true, "d": "x\"y"}, "e": [[]]}"#;
        let (mut state, mut accepted) = (1u64, 0);
        for _ in 0..200_000 {
            let mut text = seed.to_vec();
            for _ in 0..3 {
                state = state.wrapping_add(0x9e3779b97f4a7c15);
                let random = crate::mix(state);
                let at = random as usize % text.len();
                match random >> 60 {
                    0..=3 => text.truncate(at.max(1)),
                    4..=7 => text[at] = (random >> 32) as u8,
                    8..=11 => text[at] = seed[(random >> 32) as usize % seed.len()],
                    _ => text.insert(at, seed[(random >> 32) as usize % seed.len()]),
                }
            }
            let mut r = Reader::new(&text);
            accepted += any(&mut r, &mut Room::new()).and_then(|_| r.end()).is_ok() as u32;
        }
        assert!(accepted > 100, "{}", accepted);
    }

    #[test]
    fn strings() {
        let mut to = [0; 16];
        let mut f = |text: &[u8]| unescape(text, &mut to).map(|n| to[..n].to_vec());
        assert_eq!(f(br#"a\"\\\/\n\u00e9"#).unwrap(), "a\"\\/\né".as_bytes());
        assert_eq!(f(br#"\ud83d\ude00"#).unwrap(), "😀".as_bytes());
        for text in [&br#"\x"#[..], br"\", br"\u12", br"\ud83d", br"\ud83dx", br"\ud83d\u0041", b"longer than the room is"] {
            assert_eq!(f(text), None);
        }
    }
}
