//! Cheapest sends a request to the target that costs least for its size, and
//! falls back to the next cheapest. It is ../main.go in Rust.
#![no_std]

use signalbox::{resting, Plan, Rank, Request};

signalbox::route!(cheapest);

static mut RANK: Rank = Rank::new();

fn cheapest(req: &Request, plan: &mut Plan) {
    let rank = unsafe { &mut *core::ptr::addr_of_mut!(RANK) }; // one call at a time
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let input = (req.facts.in_tokens as u64).wrapping_mul(t.price_in as u64);
        let output = (req.facts.out_tokens as u64).wrapping_mul(t.price_out as u64);
        let mut cost = input.wrapping_add(output);
        if resting(t) {
            cost |= 1 << 63; // only when nothing else is left
        }
        rank.add(cost, t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        plan.attempt(i);
    }
    plan.because(b"cheapest first");
}
