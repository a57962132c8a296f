//! Classes for `Rank` that order targets by a score, with those that could not
//! take the request now behind all others.

use crate::{layout, resting, Plan, Request, Target};

/// What keeps a target from taking a request: less is better.
pub const READY: u64 = 0;
/// As many requests are there as it takes, or the provider's own limit is reached.
pub const FULL: u64 = 1;
/// It asked for a pause, or its breaker is open.
pub const RESTING: u64 = 2;

/// It is not wanted, unless nothing else is left.
pub const LAST: u64 = 3;

/// How a target stands for this request: `READY`, `FULL` or `RESTING`.
pub fn standing(req: &Request, t: &Target) -> u64 {
    let tokens = req.facts.in_tokens as i64;
    if resting(t) {
        return RESTING;
    }
    let full = t.max_in_flight > 0 && t.in_flight >= t.max_in_flight;
    let spent = t.requests_left == 0 || (t.tokens_left >= 0 && (t.tokens_left as i64) < tokens);
    let small = t.context > 0 && (t.context as i64) < tokens;
    if full || spent || small {
        FULL
    } else {
        READY
    }
}

/// The class of a target by its standing and, among equals, by a score of at
/// least 0, lower first. Scores that differ in their last bits alone are equal.
pub fn class(standing: u64, score: f64) -> u64 {
    let score = if score > 0.0 { score } else { 0.0 }; // no NaN either
    standing << 62 | score.to_bits() >> 2 & !0xff
}

/// The tokens that an answer is expected to have: `usual`, unless the caller
/// allows fewer.
pub fn answer_tokens(req: &Request, usual: u32) -> f64 {
    match req.facts.out_tokens {
        0 => usual as f64,
        most => most.min(usual) as f64,
    }
}

/// What a target is taken to cost when no price of it is known: more than any.
pub const UNPRICED: f64 = 1e18;

/// What an answer of so many tokens is expected to cost, in nano-dollars.
pub fn cost(req: &Request, t: &Target, answer: f64) -> f64 {
    if t.price_in == 0 && t.price_out == 0 {
        return UNPRICED;
    }
    (req.facts.in_tokens as f64 * t.price_in as f64 + answer * t.price_out as f64) / 1000.0
}

/// `cost`, or latency, per answer: what fails has to be asked for again.
pub fn per_success(value: f64, t: &Target) -> f64 {
    let works = 1.0 - t.error_rate;
    value / if works > 0.05 { works } else { 0.05 }
}

/// Says why in several pieces.
pub fn because(plan: &mut Plan, parts: &[&[u8]]) {
    let (mut reason, mut n) = ([0; layout::MAX_REASON as usize], 0);
    for part in parts {
        let take = part.len().min(reason.len() - n);
        reason[n..n + take].copy_from_slice(&part[..take]);
        n += take;
    }
    plan.because(&reason[..n]);
}
