//! Sticky keeps a conversation where it is: providers cache the beginning of
//! prompts, and only they can read the reasoning that they have encrypted. The
//! target that answered last comes first, then others of its provider. Where
//! none has answered yet, the session's hash says which one will, whichever
//! gateway is asked.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error};
use signalbox::{order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

struct Settings {
    prefix: bool, // requests without a session go by the beginning of their prompt
    only: bool,   // nothing but the target that answered last may be asked, while it is ready
}

static mut SETTINGS: Settings = Settings { prefix: true, only: false };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(text, |r, key| match key {
        b"prefix" => r.boolean().map(|b| s.prefix = b),
        b"only" => r.boolean().map(|b| s.only = b),
        _ => Err(Error::unknown(key)),
    }))
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let f = req.facts;
    let last = f.sticky as usize;
    let (seed, reason): (u64, &[u8]) = match () {
        _ if f.session != 0 => (f.session, b"by session"),
        _ if s.prefix && f.prefix != 0 => (f.prefix, b"by prompt prefix"),
        _ => (f.rand, b"no session: drawn"),
    };
    let home: &[u8] = if last == 0 || last > req.len() { b"" } else { provider(req.text(req.target(last - 1).id)) };
    if !home.is_empty() && s.only && order::standing(req, req.target(last - 1)) == order::READY {
        plan.attempt(last - 1);
        plan.because(b"answered the session last: no other may");
        return;
    }
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let id = req.text(t.id);
        let near = match () {
            _ if i + 1 == last => 0.0,
            _ if provider(id) == home => 100.0, // no distance is above 53
            _ => 200.0,
        };
        rank.add(order::class(order::standing(req, t), near + distance(seed, id, t.weight)), 1);
    }
    for i in rank.order() {
        plan.attempt(i);
    }
    let stays = rank.order().next().map_or(false, |i| i + 1 == last);
    plan.because(if stays { b"answered the session last" } else { reason });
}

fn provider(id: &[u8]) -> &[u8] {
    &id[..id.iter().position(|c| *c == b'/').unwrap_or(id.len())]
}

/// Weighted rendezvous hashing: the least -ln(u)/weight wins, with u in (0, 1)
/// from a hash of seed and id. A target that comes or goes moves only the
/// sessions that it wins or has won.
fn distance(seed: u64, id: &[u8], weight: u32) -> f64 {
    let mut h = seed ^ 0xcbf29ce484222325;
    for c in id {
        h = (h ^ *c as u64).wrapping_mul(0x100000001b3); // FNV-1a
    }
    let u = ((signalbox::mix(h) >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    -log2(u) / weight.max(1) as f64
}

/// The binary logarithm of a positive normal number, to about 0.0001.
fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let m = f64::from_bits(bits & (1 << 52) - 1 | 1023 << 52); // 1 to 2
    let z = (m - 1.0) / (m + 1.0);
    let z2 = z * z;
    exponent as f64 + z * (2.0 + z2 * (2.0 / 3.0 + z2 * (0.4 + z2 * (2.0 / 7.0)))) * core::f64::consts::LOG2_E
}
