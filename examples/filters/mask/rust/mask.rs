//! Mask hides numbers: of five digits and more in a row it shows the last four.
//! It is ../main.go in Rust.
#![no_std]

use signalbox::{Verdict, Window};

signalbox::filter!(mask);

const SHOWN: usize = 4;

fn mask(w: &Window, v: &mut Verdict) {
    let text = w.text();
    let (mut done, mut end, mut found) = (0, text.len(), 0); // written so far, to be settled, hidden
    let mut i = 0;
    while i < text.len() {
        if !text[i].is_ascii_digit() {
            i += 1;
            continue;
        }
        let from = i;
        while i < text.len() && text[i].is_ascii_digit() {
            i += 1;
        }
        if i == text.len() && !w.last() {
            end = from.max(i.saturating_sub(SHOWN)); // more digits may follow: the last four wait for them
        }
        if i - from > SHOWN {
            let hidden = i - from - SHOWN;
            v.write(&text[done..from]);
            v.fill(b'*', hidden);
            found += hidden;
            done = from + hidden;
        }
    }
    v.found(found as u32);
    if found > 0 {
        v.write(&text[done..end]);
        v.because(b"digits hidden");
        v.replace(end);
    } else if end == 0 && !text.is_empty() {
        v.more();
    } else {
        v.pass(end);
    }
}
