//! A/b splits requests between arms by a stable hash: one session, key or user
//! always gets the same arm. Targets of the other arms stay behind as fallback.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error, Kept, Reader, Room};
use signalbox::{order, Plan, Rank, Request};

signalbox::route!(decide, config: configure);

const ARMS: usize = 8;
const TARGETS: usize = 64;

#[derive(Clone, Copy)]
enum By {
    Session,
    Key,
    User,
    Team,
    Tenant,
    Request,
}

#[derive(Clone, Copy)]
struct Arm {
    name: Kept,
    share: f64,
    end: usize, // of its targets
}

struct Settings {
    room: Room<8192>,
    salt: Kept,
    by: By,
    only: bool, // targets of other arms are left out
    arms: [Arm; ARMS],
    n: usize,
    targets: [Kept; TARGETS],
}

static mut SETTINGS: Settings = Settings {
    room: Room::new(),
    salt: Kept::NONE,
    by: By::Session,
    only: false,
    arms: [Arm { name: Kept::NONE, share: 0.0, end: 0 }; ARMS],
    n: 0,
    targets: [Kept::NONE; TARGETS],
};
static mut RANK: Rank = Rank::new();

fn configure(text: &[u8]) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    let read = json::read(text, |r, key| match key {
        b"salt" => s.room.keep(r.string()?).map(|k| s.salt = k),
        b"only" => r.boolean().map(|b| s.only = b),
        b"arms" => r.array(|r| s.arm(r)),
        b"by" => {
            s.by = match r.string()? {
                b"session" => By::Session,
                b"key" => By::Key,
                b"user" => By::User,
                b"team" => By::Team,
                b"tenant" => By::Tenant,
                b"request" => By::Request,
                _ => return Err(Error::new("is none of session, key, user, team, tenant, request")),
            };
            Ok(())
        }
        _ => Err(Error::unknown(key)),
    });
    json::accept(read.and_then(|_| match s.n {
        0 | 1 if !text.is_empty() => Err(Error { at: b"arms", what: "are fewer than two" }),
        _ => Ok(()),
    }))
}

impl Settings {
    fn arm<'a>(&mut self, r: &mut Reader<'a>) -> json::Result<'a, ()> {
        if self.n == ARMS {
            return Err(Error::new("are more than 8"));
        }
        let (mut arm, mut end) = (Arm { name: Kept::NONE, share: 0.0, end: 0 }, self.start(self.n));
        r.object(|r, key| match key {
            b"name" => self.room.keep(r.string()?).map(|k| arm.name = k),
            b"share" => r.number(0.0, 1e6).map(|n| arm.share = n),
            b"targets" => r.array(|r| {
                if end == TARGETS {
                    return Err(Error::new("are more than 64"));
                }
                self.targets[end] = self.room.keep(r.string()?)?;
                end += 1;
                Ok(())
            }),
            _ => Err(Error::unknown(key)),
        })?;
        if arm.name.is_empty() || arm.share == 0.0 || end == self.start(self.n) {
            return Err(Error::new("need name, share above 0 and targets each"));
        }
        arm.end = end;
        self.arms[self.n] = arm;
        self.n += 1;
        Ok(())
    }

    /// Where the targets of an arm begin.
    fn start(&self, arm: usize) -> usize {
        if arm == 0 {
            0
        } else {
            self.arms[arm - 1].end
        }
    }

    fn arm_of(&self, req: &Request) -> usize {
        let f = req.facts;
        let (session, id) = (f.session.to_le_bytes(), f.id.to_le_bytes());
        let who: &[u8] = match self.by {
            By::Session if f.session != 0 => &session,
            By::User if f.user.len > 0 => req.text(f.user),
            By::Team if f.team.len > 0 => req.text(f.team),
            By::Tenant => req.text(f.tenant),
            By::Request => &id,
            _ => req.text(f.key),
        };
        let mut h = 0xcbf29ce484222325u64;
        for c in self.room.get(self.salt).iter().chain(&[0]).chain(who) {
            h = (h ^ *c as u64).wrapping_mul(0x100000001b3); // FNV-1a
        }
        let sum: f64 = self.arms[..self.n].iter().map(|a| a.share).sum();
        let mut at = (signalbox::mix(h) >> 11) as f64 / (1u64 << 53) as f64 * sum;
        for (i, arm) in self.arms[..self.n].iter().enumerate() {
            at -= arm.share;
            if at < 0.0 {
                return i;
            }
        }
        self.n - 1
    }

    fn has(&self, arm: usize, id: &[u8]) -> bool {
        self.targets[self.start(arm)..self.arms[arm].end].iter().any(|t| self.room.get(*t) == id)
    }
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    if s.n == 0 {
        return; // without a configuration nothing is split
    }
    let arm = s.arm_of(req);
    rank.reset();
    let (mut chosen, mut ready) = (0, 0);
    for i in 0..req.len() {
        let t = req.target(i);
        let (own, standing) = (s.has(arm, req.text(t.id)), order::standing(req, t));
        chosen += own as usize;
        ready += (own && standing == order::READY) as usize;
        // What is ready of another arm comes before what rests of this one.
        rank.add(order::class(standing, if own { 0.0 } else { 1.0 }), t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        if !s.only || chosen == 0 || s.has(arm, req.text(req.target(i).id)) {
            plan.attempt(i);
        }
    }
    let name = s.room.get(s.arms[arm].name);
    order::because(plan, &[b"arm ", name, if ready == 0 && !s.only { b", of which none is ready" } else { b"" }]);
}
