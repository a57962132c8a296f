import { Attempt, CIRCUIT_OPEN, MAGIC_PLAN, MAGIC_REQUEST, MAX_REASON, MAX_TARGETS, MINOR, PlanHead as Header, RequestHead as Facts, Str, Target } from "./layout";
import * as record from "./record";

// What a routing module decides on: the facts, which layout.ts documents, and the targets.
@unmanaged
export class Request extends Facts {
  // The number of targets, 1 to 64.
  @inline get length(): i32 { return <i32>this.targets; }

  // Target i; one that does not exist ends the call.
  @inline target(i: i32): Target {
    if (<u32>i >= this.targets) unreachable();
    return changetype<Target>(record.first + <usize>i * record.stride);
  }

  // A string of the record: where it is, and its length. text allocates.
  at(s: Str): usize { return record.at(s); }
  len(s: Str): i32 { return record.len(s); }
  text(s: Str): string { return record.text(s); }
}

// Reports whether a target should not be used while others are there: it asked
// for a pause, or its breaker is open.
// @ts-ignore: decorator
@inline
export function resting(t: Target): bool {
  return t.retryAfterMs > 0 || t.circuit == CIRCUIT_OPEN;
}

const HEADER: u32 = offsetof<Header>();
const STRIDE: u32 = offsetof<Attempt>();
const REASON: usize = memory.data(128, 16);
const PLAN: usize = memory.data(32 + 64 * 32 + 128, 16);
if (MAX_REASON != 128 || MAX_TARGETS != 64 || offsetof<Header>() != 32 || offsetof<Attempt>() != 32) ERROR("the plan has another size");

// The answer. Left empty it declines: the gateway uses its built-in order. The
// layout is that of the record, so that it needs no encoding.
@unmanaged
export class Plan extends Header {
  // Appends target i and returns the attempt, for timings. Each target can be
  // tried once: the gateway refuses plans that name one twice.
  attempt(i: i32): Attempt {
    if (this.attempts >= MAX_TARGETS) unreachable();
    const at = PLAN + HEADER + this.attempts * STRIDE;
    for (let word: usize = 0; word < STRIDE; word += 8) store<u64>(at + word, 0);
    const a = changetype<Attempt>(at);
    a.target = i;
    this.attempts++;
    return a;
  }

  // Says why; the decision log shows up to 128 bytes of it. Only the lower byte
  // of each unit of a string is written: keep to ASCII.
  because(reason: string): void {
    const n = min<u32>(reason.length, MAX_REASON);
    const from = changetype<usize>(reason);
    for (let i: usize = 0; i < n; i++) store<u8>(REASON + i, load<u8>(from + 2 * i));
    changetype<Str>(changetype<usize>(this) + 24).len = n;
  }

  // The same, of bytes in memory.
  becauseBytes(at: usize, len: i32): void {
    const n = min<u32>(len, MAX_REASON);
    memory.copy(REASON, at, n);
    this.reason.len = n;
  }

  // Ends the request with a code of the module's own, not 0.
  refuse(code: u32, reason: string): void {
    this.attempts = 0;
    this.code = code;
    this.because(reason);
  }
}

// One call runs at a time.
const SHORT: usize = memory.data(256, 16); // for a host that knows shorter ones
const SHORT_TARGETS: usize = memory.data(64 * 112, 16);
if (offsetof<Facts>() != 256 || offsetof<Target>() != 112) ERROR("the request has another size");

let decide: ((req: Request, plan: Plan) => void) | null = null;

// Sets the decision; call it at the top of the module.
export function onRoute(f: (req: Request, plan: Plan) => void): void {
  decide = f;
}

export function sb_route(_at: u32, len: u32): u64 {
  const req = changetype<Request>(record.head(len, MAGIC_REQUEST, SHORT, offsetof<Facts>()));
  if (changetype<usize>(req) == 0 || decide == null) return 0;
  if (!record.parts(req.targetOff, req.targetSize, req.targets, SHORT_TARGETS, offsetof<Target>(), MAX_TARGETS)) return 0;
  const plan = changetype<Plan>(PLAN);
  plan.magic = MAGIC_PLAN;
  plan.version = <u16>MINOR;
  plan.headerSize = <u16>HEADER;
  plan.attempts = 0;
  plan.attemptSize = STRIDE;
  plan.code = 0;
  plan.flags = 0;
  plan.reason.off = 0;
  plan.reason.len = 0;
  decide!(req, plan);
  const n = HEADER + plan.attempts * STRIDE;
  const reason = plan.reason.len;
  if (n == HEADER && reason == 0 && plan.code == 0) return 0;
  plan.reason.off = n;
  if (reason > 0) memory.copy(PLAN + n, REASON, reason);
  return record.pack(PLAN, n + reason);
}
