//! Budget-aware keeps the configured order while there is plenty of budget, and
//! gives the cost of a target more and more weight as the budget drains.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::{order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

struct Settings {
    save_below: f64,  // share of the budget that is left when saving begins
    strict_below: f64, // and when cost alone counts
    answer_tokens: u32,
}

static mut SETTINGS: Settings = Settings { save_below: 0.5, strict_below: 0.1, answer_tokens: 500 };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    let read = json::read(text, |r, key| match key {
        b"save_below" => r.number(0.0, 1.0).map(|n| s.save_below = n),
        b"strict_below" => r.number(0.0, 1.0).map(|n| s.strict_below = n),
        b"answer_tokens" => r.whole(1, 1_000_000).map(|n| s.answer_tokens = n),
        _ => Err(Error::unknown(key)),
    });
    json::accept(read.and_then(|_| match s.strict_below > s.save_below {
        true => Err(Error { at: b"strict_below", what: "is above save_below" }),
        false => Ok(()),
    }))
}

impl Settings {
    /// How much cost counts, 0 to 1.
    fn thrift(&self, req: &Request) -> f64 {
        if req.facts.budget_max <= 0 {
            return 0.0; // no budget, or none that is known
        }
        let left = req.facts.budget as f64 / req.facts.budget_max as f64;
        if left >= self.save_below {
            0.0
        } else if left <= self.strict_below {
            1.0
        } else {
            (self.save_below - left) / (self.save_below - self.strict_below)
        }
    }
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let (thrift, tokens) = (s.thrift(req), order::answer_tokens(req, s.answer_tokens));
    let (mut last, mut dearest) = (1.0, 1.0);
    for i in 0..req.len() {
        let t = req.target(i);
        let cost = order::cost(req, t, tokens);
        last = max(last, t.priority as f64);
        dearest = max(dearest, if cost < order::UNPRICED { cost } else { 0.0 });
    }
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let cost = order::cost(req, t, tokens);
        let dear = if cost < order::UNPRICED { cost / dearest } else { 1.0 };
        let mut standing = order::standing(req, t);
        if req.facts.budget_max > 0 && cost < order::UNPRICED && cost > req.facts.budget as f64 {
            standing = order::LAST;
        }
        rank.add(order::class(standing, (1.0 - thrift) * (t.priority as f64 / last) + thrift * dear), t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        plan.attempt(i);
    }
    plan.because(match thrift {
        t if t == 0.0 => b"budget is plenty: as configured",
        t if t == 1.0 => b"budget is nearly spent: cheapest",
        _ => b"budget drains: cost counts more",
    });
}

fn max(a: f64, b: f64) -> f64 {
    if b > a {
        b
    } else {
        a
    }
}
