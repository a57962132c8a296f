//! Least-latency takes the faster of two targets that it draws: time to the
//! first token and per token after it, for the answer that is expected. Two,
//! since all requests at the one best target would make it the slowest.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::{order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

struct Settings {
    answer_tokens: u32,
    hedge_ms: u32, // 0: no hedge
}

static mut SETTINGS: Settings = Settings { answer_tokens: 256, hedge_ms: 0 };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(text, |r, key| match key {
        b"answer_tokens" => r.whole(1, 1_000_000).map(|n| s.answer_tokens = n),
        b"hedge_ms" => r.whole(0, 600_000).map(|n| s.hedge_ms = n),
        _ => Err(Error::unknown(key)),
    }))
}

/// How long an answer takes, in ms; 0: it is not known.
fn duration(t: &signalbox::Target, tokens: f64) -> f64 {
    if t.ttft_ms > 0.0 {
        t.ttft_ms + t.token_ms * tokens
    } else {
        0.0
    }
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let tokens = order::answer_tokens(req, s.answer_tokens);
    let mut least = f64::MAX;
    for i in 0..req.len() {
        let d = duration(req.target(i), tokens);
        if d > 0.0 && d < least {
            least = d;
        }
    }
    if least == f64::MAX {
        least = 1.0;
    }
    rank.reset();
    let mut ready = 0;
    for i in 0..req.len() {
        let t = req.target(i);
        let d = duration(t, tokens);
        let standing = order::standing(req, t);
        ready += (standing == order::READY) as u32;
        // What nobody has measured is taken to be as fast as any, so that it gets measured.
        rank.add(order::class(standing, order::per_success(if d > 0.0 { d } else { least }, t)), t.weight);
    }
    rank.draw(req.facts.rand);
    let first = if ready > 1 { faster_of_two(req.facts.rand, ready) } else { 0 };
    if let Some(i) = rank.order().nth(first) {
        plan.attempt(i);
    }
    let mut hedge = s.hedge_ms; // of the second attempt alone: two at a time are enough
    for (_, i) in rank.order().enumerate().filter(|(place, _)| *place != first) {
        plan.attempt(i).hedge_ms = hedge;
        hedge = 0;
    }
    plan.because(if ready > 1 { b"faster of two" } else { b"fastest" });
}

/// Draws two places of the first `n` and returns the lower one.
fn faster_of_two(rand: u64, n: u32) -> usize {
    let one = (rand >> 40) as u32 % n;
    let other = (one + 1 + (rand as u32 >> 8) % (n - 1)) % n;
    one.min(other) as usize
}
