//! Cascade asks the cheapest target first and goes on to the next better one
//! when the answer is empty, cut short or not of the form that was asked for.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::{layout, order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

#[derive(Clone, Copy)]
enum By {
    Price,
    Quality,
    Priority,
}

struct Settings {
    by: By,
    checks: u32, // answers that are checked, at most
    answer_tokens: u32,
}

static mut SETTINGS: Settings = Settings { by: By::Price, checks: layout::MAX_TARGETS, answer_tokens: 500 };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(text, |r, key| match key {
        b"by" => {
            s.by = match r.string()? {
                b"price" => By::Price,
                b"quality" => By::Quality,
                b"priority" => By::Priority,
                _ => return Err(Error::new("is none of price, quality, priority")),
            };
            Ok(())
        }
        b"checks" => r.whole(1, layout::MAX_TARGETS).map(|n| s.checks = n),
        b"answer_tokens" => r.whole(1, 1_000_000).map(|n| s.answer_tokens = n),
        _ => Err(Error::unknown(key)),
    }))
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let tokens = order::answer_tokens(req, s.answer_tokens);
    rank.reset();
    let mut ready = 0;
    for i in 0..req.len() {
        let t = req.target(i);
        let step = match s.by {
            By::Price => order::cost(req, t, tokens),
            By::Quality => t.quality,
            By::Priority => t.priority as f64,
        };
        let standing = order::standing(req, t);
        ready += (standing == order::READY) as u32;
        rank.add(order::class(standing, step), t.weight);
    }
    rank.draw(req.facts.rand);
    // An answer is checked where a better target is ready to be asked.
    let checks = s.checks.min(ready.max(1) - 1);
    for (place, i) in rank.order().enumerate() {
        let a = plan.attempt(i);
        if (place as u32) < checks {
            a.flags |= layout::ATTEMPT_CHECK;
        }
    }
    plan.because(if checks > 0 { b"cheap first, checked" } else { b"one is ready: unchecked" });
}
