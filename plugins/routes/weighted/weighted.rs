//! Weighted draws each place of the order by weight, whatever the priorities
//! say: that of the target, or one for its id from the configuration.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error, Kept, Room};
use signalbox::{order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

const MAX: usize = 64;

struct Settings {
    names: Room<4096>,
    weights: [(Kept, u32); MAX],
    n: usize,
}

static mut SETTINGS: Settings = Settings { names: Room::new(), weights: [(Kept::NONE, 0); MAX], n: 0 };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(text, |r, key| match key {
        b"weights" => r.object(|r, id| {
            if s.n == MAX {
                return Err(Error::new("is one too many: there may be 64"));
            }
            s.weights[s.n] = (s.names.keep(id)?, r.whole(0, 1_000_000)?);
            s.n += 1;
            Ok(())
        }),
        _ => Err(Error::unknown(key)),
    }))
}

impl Settings {
    fn weight(&self, id: &[u8]) -> Option<u32> {
        self.weights[..self.n].iter().find(|w| self.names.get(w.0) == id).map(|w| w.1)
    }
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let weight = s.weight(req.text(t.id)).unwrap_or(t.weight);
        let standing = if weight == 0 { order::LAST } else { order::standing(req, t) };
        rank.add(order::class(standing, 0.0), weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        plan.attempt(i);
    }
    plan.because(b"drawn by weight");
}
