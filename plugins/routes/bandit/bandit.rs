//! Bandit learns which target serves best from how attempts have ended, and
//! goes on learning: what it has not tried for a while it tries again. It is
//! Thompson sampling over rewards that fade.
//!
//! Instances come and go, so what is known lies in the host's counters, two for
//! each of 32 targets: whose they are and when they were written, and a weight
//! of outcomes with the sum of their rewards.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::host::counter_add;
use signalbox::json::{self, Error};
use signalbox::layout::{self, Outcome};
use signalbox::{mix, order, Batch, Plan, Rank, Request};

signalbox::route!(decide, config: configure, observe: learn);

struct Settings {
    latency_weight: f64, // of the reward: what an endlessly slow answer loses
    latency_ms: f64,     // at which half of that is lost
    cost_weight: f64,
    cost_usd: f64,
    memory: f64,    // outcomes of a target that count
    half_life: f64, // seconds in which what was learnt loses half of its weight
}

static mut SETTINGS: Settings =
    Settings { latency_weight: 0.3, latency_ms: 2000.0, cost_weight: 0.3, cost_usd: 0.01, memory: 100.0, half_life: 60.0 };
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    let read = json::read(text, |r, key| match key {
        b"latency_weight" => r.number(0.0, 1.0).map(|n| s.latency_weight = n),
        b"latency_ms" => r.number(1.0, 1e6).map(|n| s.latency_ms = n),
        b"cost_weight" => r.number(0.0, 1.0).map(|n| s.cost_weight = n),
        b"cost_usd" => r.number(1e-6, 1e3).map(|n| s.cost_usd = n),
        b"memory" => r.number(10.0, 10_000.0).map(|n| s.memory = n),
        b"half_life_s" => r.number(1.0, 1e6).map(|n| s.half_life = n),
        _ => Err(Error::unknown(key)),
    });
    json::accept(read.and_then(|_| match s.latency_weight + s.cost_weight > 1.0 {
        true => Err(Error { at: b"cost_weight", what: "and latency_weight are more than 1 together" }),
        false => Ok(()),
    }))
}

impl Settings {
    /// What an attempt was worth, 0 to 1; `None` when it says nothing of the target.
    fn reward(&self, o: &Outcome) -> Option<f64> {
        match o.error {
            _ if o.flags & layout::OUTCOME_LOST != 0 => return None,
            layout::ERROR_NONE => {}
            layout::ERROR_INVALID | layout::ERROR_CONTEXT_LENGTH | layout::ERROR_CONTENT_FILTER | layout::ERROR_POLICY => return None,
            _ => return Some(0.0),
        }
        let cost = o.cost.max(0) as f64 / 1e9;
        let slow = o.total_ms / (o.total_ms + self.latency_ms);
        Some(1.0 - self.latency_weight * slow - self.cost_weight * cost / (cost + self.cost_usd))
    }
}

const SLOTS: usize = 32;

/// What is known of a target.
#[derive(Clone, Copy)]
struct Arm {
    tag: u64, // of its id, 16 bits, 0: nobody's
    at: u64,  // Unix ms
    n: f64,   // weight of the outcomes
    sum: f64, // of their rewards
}

impl Arm {
    const FRESH: Arm = Arm { tag: 0, at: 0, n: 0.0, sum: 0.0 };

    fn load(slot: usize) -> Arm {
        let (who, what) = (counter_add(2 * slot as u32, 0) as u64, counter_add(2 * slot as u32 + 1, 0) as u64);
        Arm { tag: who >> 48, at: who & 0xffff_ffff_ffff, n: (what >> 32) as f64 / 65536.0, sum: what as u32 as f64 / 65536.0 }
    }

    /// Writes the arm over what its slot holds. Observations come one at a time.
    fn store(&self, slot: usize) {
        let (id, who) = (2 * slot as u32, (self.tag << 48 | self.at) as i64);
        let what = ((self.n * 65536.0) as u64) << 32 | (self.sum * 65536.0) as u64;
        counter_add(id, who.wrapping_sub(counter_add(id, 0)));
        counter_add(id + 1, (what as i64).wrapping_sub(counter_add(id + 1, 0)));
    }

    /// The arm at a later time, when what was learnt counts less.
    fn faded(mut self, now: u64, half_life: f64) -> Arm {
        let by = half(now.saturating_sub(self.at) as f64 / 1000.0 / half_life);
        self.n *= by;
        self.sum *= by;
        self.at = now;
        self
    }
}

/// The slots, read once each: a call may ask for 256 counters.
struct Table {
    arms: [Arm; SLOTS],
    read: u32,
}

impl Table {
    fn new() -> Table {
        Table { arms: [Arm::FRESH; SLOTS], read: 0 }
    }

    fn arm(&mut self, slot: usize) -> &mut Arm {
        if self.read & 1 << slot == 0 {
            self.arms[slot] = Arm::load(slot);
            self.read |= 1 << slot;
        }
        &mut self.arms[slot]
    }

    /// The slot of a target: its own, else an empty one, else the stalest.
    fn find(&mut self, id: &[u8]) -> (usize, u64) {
        let hash = hash(id);
        let (tag, mut stalest) = (hash >> 48 | 1, 0);
        for step in 0..SLOTS {
            let slot = (hash as usize + step) % SLOTS;
            let arm = *self.arm(slot);
            if arm.tag == tag || arm.tag == 0 {
                return (slot, tag);
            }
            if step == 0 || arm.at < self.arms[stalest].at {
                stalest = slot;
            }
        }
        (stalest, tag)
    }

    /// What is known of a target.
    fn known(&mut self, id: &[u8]) -> Arm {
        let (slot, tag) = self.find(id);
        if self.arms[slot].tag == tag {
            self.arms[slot]
        } else {
            Arm::FRESH
        }
    }
}

fn learn(batch: &Batch) {
    let (s, mut table, mut changed) = (unsafe { &*addr_of_mut!(SETTINGS) }, Table::new(), 0u32);
    for i in 0..batch.len() {
        let o = batch.outcome(i);
        let reward = match s.reward(o) {
            Some(r) => r,
            None => continue,
        };
        let (slot, tag) = table.find(batch.text(o.target));
        let old = table.arms[slot];
        let mut arm = if old.tag == tag { old.faded(o.end_ms.max(old.at), s.half_life) } else { Arm { tag, at: o.end_ms, ..Arm::FRESH } };
        arm.n += 1.0;
        arm.sum += reward;
        if arm.n > s.memory {
            arm.sum *= s.memory / arm.n;
            arm.n = s.memory;
        }
        table.arms[slot] = arm;
        changed |= 1 << slot;
    }
    for slot in (0..SLOTS).filter(|slot| changed & 1 << slot != 0) {
        table.arms[slot].store(slot);
    }
}

/// What is believed of a target before anything is known: a good one, as one
/// outcome would have it. SPREAD is how far rewards lie from their mean.
const PRIOR: f64 = 0.7;
const SPREAD: f64 = 0.35;

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let mut table = Table::new();
    let (mut best, mut best_mean) = (0, -1.0);
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let arm = table.known(req.text(t.id)).faded(req.facts.now_ms, s.half_life);
        let mean = (arm.sum + PRIOR) / (arm.n + 1.0);
        let standing = order::standing(req, t);
        if standing == order::READY && mean > best_mean {
            (best, best_mean) = (i, mean);
        }
        let drawn = mean + normal(req.facts.rand, i) * SPREAD / sqrt(arm.n + 1.0);
        rank.add(order::class(standing, 10.0 - drawn), 1);
    }
    for i in rank.order() {
        plan.attempt(i);
    }
    let first = rank.order().next().unwrap_or(0);
    plan.because(if first == best { b"best so far" } else { b"tried again, to learn" });
}

fn hash(id: &[u8]) -> u64 {
    let mut h = 0xcbf29ce484222325u64;
    for c in id {
        h = (h ^ *c as u64).wrapping_mul(0x100000001b3); // FNV-1a
    }
    mix(h)
}

/// A number that is close to normally distributed: the sum of four even ones.
fn normal(rand: u64, i: usize) -> f64 {
    let bits = mix(rand.wrapping_add((i as u64 + 1).wrapping_mul(0x9e3779b97f4a7c15)));
    let sum: u64 = (0..4).map(|k| bits >> (16 * k) & 0xffff).sum();
    (sum as f64 / 65536.0 - 2.0) * 1.7320508
}

/// 0.5 to the power of x ≥ 0.
fn half(x: f64) -> f64 {
    if x >= 60.0 {
        return 0.0;
    }
    let whole = x as u64;
    let f = x - whole as f64;
    let fraction = 1.0 - f * (0.69315 - f * (0.24023 - f * (0.0555 - f * 0.00962)));
    f64::from_bits((1023 - whole) << 52) * fraction
}

/// The square root of x ≥ 1, by Newton's method.
fn sqrt(x: f64) -> f64 {
    let mut r = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..4 {
        r = 0.5 * (r + x / r);
    }
    r
}
