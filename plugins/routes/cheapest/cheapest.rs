//! Cheapest tries targets by what the answer is expected to cost, failures
//! included: a target that fails half of the time has to be asked twice.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::{order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

struct Settings {
    answer_tokens: u32,
    unpriced_first: bool,
}

static mut SETTINGS: Settings = Settings { answer_tokens: 500, unpriced_first: false };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(text, |r, key| match key {
        b"answer_tokens" => r.whole(1, 1_000_000).map(|n| s.answer_tokens = n),
        b"unpriced" => match r.string()? {
            b"first" => Ok(s.unpriced_first = true),
            b"last" => Ok(s.unpriced_first = false),
            _ => Err(Error::new("is neither first nor last")),
        },
        _ => Err(Error::unknown(key)),
    }))
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let tokens = order::answer_tokens(req, s.answer_tokens);
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let mut cost = order::cost(req, t, tokens);
        if cost == order::UNPRICED && s.unpriced_first {
            cost = 0.0;
        }
        rank.add(order::class(order::standing(req, t), order::per_success(cost, t)), t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        plan.attempt(i);
    }
    plan.because(b"cheapest first");
}
