// Probe is ../main.go in AssemblyScript.
import {
  ATTEMPT_CHECK, Batch, Config, FLAG_STREAM, LEVEL_WARN, Plan, Request, Str, Verdict, Window, counterAdd, log, metric, mix, onConfig, onFilter,
  onObserve, onRoute,
} from "signalbox";
export { sb_abi, sb_buf, sb_configure, sb_filter, sb_observe, sb_route } from "signalbox";

let sum: u64 = 0;
let configured: u64 = 0;

function number(n: u64): void {
  sum = mix(sum ^ n);
}

function text(at: usize, len: i32): void {
  number(len);
  for (let i = 0; i < len; i++) number(load<u8>(at + i));
}

function real(f: f64): void {
  number(reinterpret<u64>(f));
}

// told is the sum in letters.
function told(): string {
  let out = "";
  for (let i = 0; i < 16; i++) out += String.fromCharCode(97 + <i32>((sum >> (4 * i)) & 15));
  return out;
}

onConfig((c: Config): bool => {
  sum = 0;
  text(c.at(c.name), c.len(c.name));
  text(c.at(c.data), c.len(c.data));
  number(c.tag("eu"));
  number(c.tag("fast"));
  number(c.tag("none"));
  configured = sum;
  return true;
});

function ofRequest(r: Request, s: Str): void {
  text(r.at(s), r.len(s));
}

onRoute((r: Request, p: Plan): void => {
  sum = configured;
  number(r.id); number(r.nowMs); number(r.rand); number(r.flags); number(r.kind); number(r.inTokens); number(r.outTokens);
  number(r.budget); number(r.denyTags); number(r.lastError); number(r.size); number(r.session); number(r.prefix); number(r.budgetMax); number(r.sticky);
  number(r.features.messages); number(r.features.foreign);
  ofRequest(r, r.model); ofRequest(r, r.tenant); ofRequest(r, r.key); ofRequest(r, r.team); ofRequest(r, r.user); ofRequest(r, r.meta);
  for (let i = 0; i < r.length; i++) {
    const t = r.target(i);
    ofRequest(r, t.id);
    ofRequest(r, t.region);
    number(t.tags); number(t.priceIn); number(t.priceOut); number(<i64>t.requestsLeft); number(t.retryAfterMs); number(t.weight);
    number(t.priority); number(t.capabilities);
    real(t.ttftMs); real(t.errorRate); real(t.quality);
  }
  p.because(told());
  if ((r.flags & FLAG_STREAM) == 0) {
    p.refuse(<u32>sum | 1, told());
    return;
  }
  const a = p.attempt(r.length - 1);
  a.timeoutMs = 1000;
  a.hedgeMs = 200;
  a.backoffMs = 10;
  a.backoffMaxMs = 40;
  a.weight = 9;
  a.flags = ATTEMPT_CHECK;
  p.attempt(0);
});

function ofWindow(w: Window, s: Str): void {
  text(w.at(s), w.len(s));
}

function save(v: Verdict, s: string): void {
  const utf8 = String.UTF8.encode(s);
  v.save(changetype<usize>(utf8), utf8.byteLength);
}

function write(v: Verdict, s: string): void {
  const utf8 = String.UTF8.encode(s);
  v.write(changetype<usize>(utf8), utf8.byteLength);
}

onFilter((w: Window, v: Verdict): void => {
  sum = configured;
  number(w.id); number(w.nowMs); number(w.rand); number(w.flags); number(w.kind); number(w.channel); number(w.index); number(w.choice);
  number(w.start); number(w.seen);
  text(w.begin, w.length);
  ofWindow(w, w.state); ofWindow(w, w.label); ofWindow(w, w.model); ofWindow(w, w.tenant);
  number(w.cut(3));
  v.because(told());
  switch (w.index) {
    case 1:
      v.pass(12);
      save(v, "s1");
      break;
    case 2:
      write(v, "write to ");
      v.fill(0x5b, 1);
      write(v, "e-mail]");
      v.replace(20);
      save(v, "s2");
      v.findings = 1;
      v.code = 7;
      break;
    case 3:
      v.block(451, "secret");
      v.findings = 2;
      break;
    case 4:
      v.more();
      save(v, "s3");
      break;
    case 5:
      v.escalate(20);
      save(v, "s4");
      v.code = 9;
  }
});

function ofBatch(b: Batch, s: Str): void {
  text(b.at(s), b.len(s));
}

onObserve((b: Batch): void => {
  sum = 0;
  number(b.dropped); number(b.nowMs);
  for (let i = 0; i < b.length; i++) {
    const o = b.outcome(i);
    number(o.id); number(o.endMs);
    ofBatch(b, o.target); ofBatch(b, o.model); ofBatch(b, o.tenant);
    real(o.ttftMs); real(o.totalMs);
    number(o.cost); number(o.outTokens); number(o.flags);
  }
  counterAdd(5, <i64>(sum >> 1));
  metric(6, 0.25);
  log(LEVEL_WARN, "learned");
});
