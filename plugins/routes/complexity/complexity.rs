//! Complexity sends hard prompts to the best target and simple ones to the
//! cheapest. How hard a prompt is follows from counts over its text that the
//! gateway has made: no model is asked.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::layout::Features;
use signalbox::{order, Plan, Rank, Request};

include!("weights.rs");

signalbox::route!(decide, config: configure);

struct Settings {
    threshold: f64,
    unknown_is_hard: bool, // prompts of which there is no text to count over
    answer_tokens: u32,
}

static mut SETTINGS: Settings = Settings { threshold: 0.5, unknown_is_hard: true, answer_tokens: 500 };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(text, |r, key| match key {
        b"threshold" => r.number(0.0, 1.0).map(|n| s.threshold = n),
        b"answer_tokens" => r.whole(1, 1_000_000).map(|n| s.answer_tokens = n),
        b"unknown" => match r.string()? {
            b"hard" => Ok(s.unknown_is_hard = true),
            b"easy" => Ok(s.unknown_is_hard = false),
            _ => Err(Error::new("is neither hard nor easy")),
        },
        _ => Err(Error::unknown(key)),
    }))
}

/// How hard the prompt is, 0 to 1: a logistic model's sum, squashed. What it
/// looks at is in the order of WEIGHTS.
fn hardness(f: &Features) -> f64 {
    let words = f.words.max(1) as f64;
    let (hard, easy) = (f.hard.min(4) as f64, f.easy.min(4) as f64);
    let x = [
        1.0,
        log2(f.words),
        hard,
        easy,
        log2(f.signs),
        log2(f.code_lines),
        f.questions.min(3) as f64,
        f.long_words as f64 / words,
        log2(f.numbers),
        log2(f.items),
        log2(f.sentences),
        hard * 10.0 / (words + 10.0),
        easy * 10.0 / (words + 10.0),
        f.foreign as f64 / (f.user_bytes.max(1) as f64),
        (f.hard > 0 && f.easy == 0) as u32 as f64,
        (f.easy > 0 && f.hard == 0) as u32 as f64,
    ];
    let z: f64 = x.iter().zip(WEIGHTS.iter()).map(|(x, w)| x * w).sum();
    0.5 + 0.5 * z / (1.0 + if z < 0.0 { -z } else { z })
}

/// The binary logarithm of n + 1, in straight lines between the powers of two.
fn log2(n: u32) -> f64 {
    let n = n.saturating_add(1);
    let whole = 31 - n.leading_zeros();
    whole as f64 + n as f64 / (1u32 << whole) as f64 - 1.0
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let f = &req.facts.features;
    let (known, score) = (f.words > 0, hardness(f));
    let hard = if known { score >= s.threshold } else { s.unknown_is_hard };
    let first = req.target(0).quality;
    let rated = (1..req.len()).any(|i| req.target(i).quality != first);
    let tokens = order::answer_tokens(req, s.answer_tokens);
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let cost = order::cost(req, t, tokens);
        let score = match (hard, rated) {
            (true, true) => 1e6 - t.quality,
            (true, false) if cost < order::UNPRICED => 1e15 - cost, // the dearest is taken for the best
            _ => cost,
        };
        rank.add(order::class(order::standing(req, t), score), t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        plan.attempt(i).weight = if known { (score * 1000.0) as u32 } else { 0 };
    }
    let percent = (score * 100.0) as u8;
    let digits = [b'0' + percent / 10 % 10, b'0' + percent % 10];
    let kind: &[u8] = if hard { b"hard prompt: best first" } else { b"simple prompt: cheapest first" };
    if known {
        order::because(plan, &[kind, b", score 0.", &digits]);
    } else {
        order::because(plan, &[kind, b", no text to go by"]);
    }
}
