//! Probe is ../main.go in Rust.
#![no_std]

use signalbox::{host, layout, mix, Batch, Config, Plan, Request, Verdict, Window};

signalbox::module! { route: decide, filter: look, config: read, observe: learn }

static mut CONFIGURED: u64 = 0;

struct Sum(u64);

impl Sum {
    fn number(&mut self, n: u64) {
        self.0 = mix(self.0 ^ n);
    }

    fn text(&mut self, s: &[u8]) {
        self.number(s.len() as u64);
        for &c in s {
            self.number(c as u64);
        }
    }

    fn real(&mut self, f: f64) {
        self.number(f.to_bits());
    }

    /// The sum in letters.
    fn told(&self) -> [u8; 16] {
        let mut out = [0; 16];
        for (i, c) in out.iter_mut().enumerate() {
            *c = b'a' + (self.0 >> (4 * i) & 15) as u8;
        }
        out
    }
}

fn read(c: &Config) -> bool {
    let mut s = Sum(0);
    s.text(c.name);
    s.text(c.json);
    for tag in [&b"eu"[..], b"fast", b"none"] {
        s.number(c.tag(tag));
    }
    unsafe { CONFIGURED = s.0 };
    true
}

fn decide(req: &Request, p: &mut Plan) {
    let mut s = Sum(unsafe { CONFIGURED });
    let r = req.facts;
    for n in [r.id, r.now_ms, r.rand, r.flags as u64, r.kind as u64, r.in_tokens as u64, r.out_tokens as u64, r.budget as u64, r.deny_tags,
        r.last_error as u64, r.size as u64, r.session, r.prefix, r.budget_max as u64, r.sticky as u64, r.features.messages as u64, r.features.foreign as u64]
    {
        s.number(n);
    }
    for text in [r.model, r.tenant, r.key, r.team, r.user, r.meta] {
        s.text(req.text(text));
    }
    for i in 0..req.len() {
        let t = req.target(i);
        s.text(req.text(t.id));
        s.text(req.text(t.region));
        for n in [t.tags, t.price_in as u64, t.price_out as u64, t.requests_left as i64 as u64, t.retry_after_ms as u64, t.weight as u64,
            t.priority as u64, t.capabilities as u64]
        {
            s.number(n);
        }
        s.real(t.ttft_ms);
        s.real(t.error_rate);
        s.real(t.quality);
    }
    p.because(&s.told());
    if r.flags & layout::FLAG_STREAM == 0 {
        p.refuse(s.0 as u32 | 1, &s.told());
        return;
    }
    let a = p.attempt(req.len() - 1);
    a.timeout_ms = 1000;
    a.hedge_ms = 200;
    a.backoff_ms = 10;
    a.backoff_max_ms = 40;
    a.weight = 9;
    a.flags = layout::ATTEMPT_CHECK;
    p.attempt(0);
}

fn look(window: &Window, v: &mut Verdict) {
    let mut s = Sum(unsafe { CONFIGURED });
    let w = window.facts;
    for n in [w.id, w.now_ms, w.rand, w.flags as u64, w.kind as u64, w.channel as u64, w.index as u64, w.choice as u64, w.start, w.seen as u64] {
        s.number(n);
    }
    s.text(window.text());
    s.text(window.state());
    for text in [w.label, w.model, w.tenant] {
        s.text(window.string(text));
    }
    s.number(window.cut(3) as u64);
    v.because(&s.told());
    match w.index {
        1 => {
            v.pass(12);
            v.save(b"s1");
        }
        2 => {
            v.write(b"write to ");
            v.fill(b'[', 1);
            v.write(b"e-mail]");
            v.replace(20);
            v.save(b"s2");
            v.found(1);
            v.code(7);
        }
        3 => {
            v.block(451, b"secret");
            v.found(2);
        }
        4 => {
            v.more();
            v.save(b"s3");
        }
        5 => {
            v.escalate(20);
            v.save(b"s4");
            v.code(9);
        }
        _ => {}
    }
}

fn learn(b: &Batch) {
    let mut s = Sum(0);
    s.number(b.facts.dropped);
    s.number(b.facts.now_ms);
    for i in 0..b.len() {
        let o = b.outcome(i);
        s.number(o.id);
        s.number(o.end_ms);
        for text in [o.target, o.model, o.tenant] {
            s.text(b.text(text));
        }
        s.real(o.ttft_ms);
        s.real(o.total_ms);
        s.number(o.cost as u64);
        s.number(o.out_tokens as u64);
        s.number(o.flags as u64);
    }
    host::counter_add(5, (s.0 >> 1) as i64);
    host::metric(6, 0.25);
    host::log(host::WARN, b"learned");
}
