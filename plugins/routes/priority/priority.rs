//! Priority is the default routing module: targets of a lower priority number
//! first, equals drawn by weight, and targets that rest (a pause asked for, a
//! breaker open) after all others.
#![no_std]

use signalbox::{resting, Plan, Rank, Request};

signalbox::route!(priority);

static mut RANK: Rank = Rank::new();

fn priority(req: &Request, plan: &mut Plan) {
    let rank = unsafe { &mut *core::ptr::addr_of_mut!(RANK) }; // one call at a time
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        rank.add(Rank::class(t.priority, resting(t)), t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        plan.attempt(i);
    }
}
