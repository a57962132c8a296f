//! Tags sends requests to targets by rules: who asks, with what metadata and
//! for what, decides which tags and regions the target should have.
#![no_std]

use core::ptr::addr_of_mut;
use signalbox::json::{self, Error, Kept, Reader, Room};
use signalbox::{layout, order, Config, Plan, Rank, Request, Target};

signalbox::route!(decide, config: configure);

const RULES: usize = 32;
const CONDITIONS: usize = 128;
const STRINGS: usize = 256;

/// What a condition looks at.
#[derive(Clone, Copy)]
enum Fact {
    Model,
    Tenant,
    Team,
    Key,
    User,
    Meta(Kept),
    Stream(bool),
    Tools(bool),
}

/// A condition holds when the fact is one of the strings.
#[derive(Clone, Copy)]
struct Condition {
    fact: Fact,
    strings: Range,
}

/// A part of one of the lists below.
#[derive(Clone, Copy)]
struct Range {
    from: usize,
    to: usize,
}

const NOTHING: Range = Range { from: 0, to: 0 };

#[derive(Clone, Copy)]
struct Rule {
    name: Kept,
    conditions: Range,
    need: u64,
    avoid: u64,
    regions: Range, // strings
    only: bool,
}

const NO_RULE: Rule = Rule { name: Kept::NONE, conditions: NOTHING, need: 0, avoid: 0, regions: NOTHING, only: false };

struct Settings {
    room: Room<8192>,
    strings: [Kept; STRINGS],
    conditions: [Condition; CONDITIONS],
    rules: [Rule; RULES],
    n_strings: usize,
    n_conditions: usize,
    n: usize,
}

static mut SETTINGS: Settings = Settings {
    room: Room::new(),
    strings: [Kept::NONE; STRINGS],
    conditions: [Condition { fact: Fact::Model, strings: NOTHING }; CONDITIONS],
    rules: [NO_RULE; RULES],
    n_strings: 0,
    n_conditions: 0,
    n: 0,
};
static mut RANK: Rank = Rank::new();

fn configure(config: &Config) -> bool {
    let s = unsafe { &mut *addr_of_mut!(SETTINGS) };
    json::accept(json::read(config.json, |r, key| match key {
        b"rules" => r.array(|r| s.rule(r, config)),
        _ => Err(Error::unknown(key)),
    }))
}

impl Settings {
    fn rule<'a>(&mut self, r: &mut Reader<'a>, config: &Config) -> json::Result<'a, ()> {
        if self.n == RULES {
            return Err(Error::new("are more than 32"));
        }
        let mut rule = NO_RULE;
        r.object(|r, key| match key {
            b"name" => self.room.keep(r.string()?).map(|k| rule.name = k),
            b"if" => self.all(r).map(|c| rule.conditions = c),
            b"need" => bits(r, config).map(|b| rule.need = b),
            b"avoid" => bits(r, config).map(|b| rule.avoid = b),
            b"regions" => self.list(r).map(|l| rule.regions = l),
            b"only" => r.boolean().map(|b| rule.only = b),
            _ => Err(Error::unknown(key)),
        })?;
        self.rules[self.n] = rule;
        self.n += 1;
        Ok(())
    }

    /// Reads the conditions of a rule.
    fn all<'a>(&mut self, r: &mut Reader<'a>) -> json::Result<'a, Range> {
        let from = self.n_conditions;
        r.object(|r, key| {
            if self.n_conditions == CONDITIONS {
                return Err(Error::new("is one condition too many: there may be 128"));
            }
            let fact = match key {
                b"model" => Fact::Model,
                b"tenant" => Fact::Tenant,
                b"team" => Fact::Team,
                b"key" => Fact::Key,
                b"user" => Fact::User,
                b"stream" => Fact::Stream(r.boolean()?),
                b"tools" => Fact::Tools(r.boolean()?),
                _ if key.starts_with(b"meta.") => Fact::Meta(self.room.keep(&key[5..])?),
                _ => return Err(Error::unknown(key)),
            };
            let strings = match fact {
                Fact::Stream(_) | Fact::Tools(_) => NOTHING,
                _ => self.list(r)?,
            };
            self.conditions[self.n_conditions] = Condition { fact, strings };
            self.n_conditions += 1;
            Ok(())
        })?;
        Ok(Range { from, to: self.n_conditions })
    }

    /// Reads a list of strings.
    fn list<'a>(&mut self, r: &mut Reader<'a>) -> json::Result<'a, Range> {
        let from = self.n_strings;
        r.array(|r| {
            if self.n_strings == STRINGS {
                return Err(Error::new("has one string too many: there may be 256"));
            }
            self.strings[self.n_strings] = self.room.keep(r.string()?)?;
            self.n_strings += 1;
            Ok(())
        })?;
        Ok(Range { from, to: self.n_strings })
    }

    fn is_one(&self, strings: Range, value: &[u8]) -> bool {
        self.strings[strings.from..strings.to].iter().any(|s| like(self.room.get(*s), value))
    }

    fn holds(&self, c: &Condition, req: &Request) -> bool {
        let f = req.facts;
        let value = match c.fact {
            Fact::Stream(is) => return is == (f.flags & layout::FLAG_STREAM != 0),
            Fact::Tools(is) => return is == (f.flags & layout::FLAG_TOOLS != 0),
            Fact::Model => f.model,
            Fact::Tenant => f.tenant,
            Fact::Team => f.team,
            Fact::Key => f.key,
            Fact::User => f.user,
            Fact::Meta(name) => return self.is_one(c.strings, meta(req.text(f.meta), self.room.get(name))),
        };
        self.is_one(c.strings, req.text(value))
    }

    fn suits(&self, rule: &Rule, req: &Request, t: &Target) -> bool {
        let regions = rule.regions;
        t.tags & rule.need == rule.need
            && t.tags & rule.avoid == 0
            && (regions.from == regions.to || self.is_one(regions, req.text(t.region)))
    }
}

/// Reads a list of tags as their bits.
fn bits<'a>(r: &mut Reader<'a>, config: &Config) -> json::Result<'a, u64> {
    let mut bits = 0;
    r.array(|r| {
        match config.tag(r.string()?) {
            0 => Err(Error::new("holds a tag that no target of the configuration has")),
            bit => Ok(bits |= bit),
        }
    })?;
    Ok(bits)
}

/// Whether a value is as a pattern says, whose `*` at the end stands for anything.
fn like(pattern: &[u8], value: &[u8]) -> bool {
    match pattern.split_last() {
        Some((b'*', start)) => value.starts_with(start),
        _ => pattern == value,
    }
}

/// The value of a line "name=value", empty when there is none.
fn meta<'a>(lines: &'a [u8], name: &[u8]) -> &'a [u8] {
    for line in lines.split(|c| *c == b'\n') {
        if line.len() > name.len() && line.starts_with(name) && line[name.len()] == b'=' {
            return &line[name.len() + 1..];
        }
    }
    &[]
}

fn decide(req: &Request, plan: &mut Plan) {
    let (s, rank) = unsafe { (&*addr_of_mut!(SETTINGS), &mut *addr_of_mut!(RANK)) }; // one call at a time
    let rules = &s.rules[..s.n];
    let applies = |r: &&Rule| s.conditions[r.conditions.from..r.conditions.to].iter().all(|c| s.holds(c, req));
    let rule = rules.iter().find(applies).unwrap_or(&NO_RULE);
    rank.reset();
    for i in 0..req.len() {
        let t = req.target(i);
        let standing = if s.suits(rule, req, t) { order::standing(req, t) } else { order::LAST };
        rank.add(order::class(standing, t.priority as f64), t.weight);
    }
    rank.draw(req.facts.rand);
    for i in rank.order() {
        if !rule.only || s.suits(rule, req, req.target(i)) {
            plan.attempt(i);
        }
    }
    match (rule.name.is_empty(), plan.is_empty()) {
        (_, true) => plan.refuse(403, b"no target has the tags and region that the rule needs"),
        (false, _) => order::because(plan, &[b"rule ", s.room.get(rule.name)]),
        _ => plan.because(b"no rule"),
    }
}
