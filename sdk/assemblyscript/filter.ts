import {
  ACTION_BLOCK, ACTION_ESCALATE, ACTION_MORE, ACTION_PASS, ACTION_REPLACE, MAGIC_VERDICT, MAGIC_WINDOW, MAX_OUTPUT, MAX_REASON,
  MAX_STATE, MAX_WINDOW, MINOR, Str, VerdictHead as Header, WINDOW_FINAL, WINDOW_FIRST, WindowHead as Facts,
} from "./layout";
import * as record from "./record";

// What a filter looks at: a stretch of the text of one channel, and the facts,
// which layout.ts documents.
@unmanaged
export class Window extends Facts {
  // Where the text is, whole UTF-8 characters, and its length.
  get begin(): usize { return record.at(this.text); }
  get length(): i32 { return record.len(this.text); }

  // Another string of the record: state, label, model or tenant. string allocates.
  at(s: Str): usize { return record.at(s); }
  len(s: Str): i32 { return record.len(s); }
  string(s: Str): string { return record.text(s); }

  // Whether nothing of the channel came before the window.
  get first(): bool { return (this.flags & WINDOW_FIRST) != 0; }

  // Whether nothing follows: all of the text has to be settled.
  get final(): bool { return (this.flags & WINDOW_FINAL) != 0; }

  // Whether a filter may ask for more of the text: not at the end, and not when
  // the window can grow no more: the next character may not fit in.
  get waits(): bool { return !this.final && this.text.len <= MAX_WINDOW - 4; }

  // The last end of a character at or before n: what may be consumed.
  cut(n: i32): i32 {
    const at = this.begin;
    if (n >= this.length) return this.length;
    while (n > 0 && (load<u8>(at + n) & 0xc0) == 0x80) n--;
    return n;
  }
}

const HEADER: u32 = offsetof<Header>();
const VERDICT: usize = memory.data(48 + (16 << 10) + 256 + 128, 16);
const SAVED: usize = memory.data(256, 16);
const SAID: usize = memory.data(128, 16);
if (offsetof<Header>() != 48 || MAX_OUTPUT != 16 << 10 || MAX_STATE != 256 || MAX_REASON != 128) ERROR("the verdict has another size");

let output: u32 = 0; // bytes of each
let state: u32 = 0;
let reason: u32 = 0;

// The answer. One of pass, replace, block, more and escalate has to be called: a
// verdict that says nothing is an error. The layout is that of the record, so
// that it needs no encoding: output, state and reason follow the header. Code
// and findings are the module's to set.
@unmanaged
export class Verdict extends Header {
  // Lets the first n bytes of the text go on.
  pass(n: i32): void { this.settle(ACTION_PASS, n); }

  // Lets what has been written go on in place of the first n bytes.
  replace(n: i32): void { this.settle(ACTION_REPLACE, n); }

  // Ends the request, or what is left of the answer.
  block(code: u32, why: string): void {
    this.settle(ACTION_BLOCK, 0);
    this.code = code;
    this.because(why);
  }

  // Consumes nothing: the text is shown again when more of it has come. It is
  // not for windows that do not wait.
  more(): void { this.settle(ACTION_MORE, 0); }

  // Holds the first n bytes until the operator's guard has judged them.
  escalate(n: i32): void { this.settle(ACTION_ESCALATE, n); }

  private settle(action: u32, n: i32): void {
    this.action = action;
    this.consumed = n;
  }

  // Appends to the output that replace lets go on. It reports whether there is
  // room, which there is for twice the longest text.
  // @ts-ignore: decorator
  @inline
  write(at: usize, n: u32): bool {
    if (n > MAX_OUTPUT - output) return false;
    memory.copy(VERDICT + HEADER + output, at, n);
    output += n;
    return true;
  }

  // Appends n times the byte c to the output, as write does.
  fill(c: u8, n: u32): bool {
    if (n > MAX_OUTPUT - output) return false;
    memory.fill(VERDICT + HEADER + output, c, n);
    output += n;
    return true;
  }

  // How many bytes have been written.
  get written(): u32 { return output; }

  // Leaves up to 256 bytes to the channel's next window.
  save(at: usize, n: u32): void {
    state = min(n, MAX_STATE);
    memory.copy(SAVED, at, state);
  }

  // Says why; the decision log shows up to 128 bytes of it. Only the lower byte
  // of each unit of a string is written: keep to ASCII.
  because(why: string): void {
    reason = min<u32>(why.length, MAX_REASON);
    const from = changetype<usize>(why);
    for (let i: usize = 0; i < reason; i++) store<u8>(SAID + i, load<u8>(from + 2 * i));
  }
}

const SHORT: usize = memory.data(112, 16); // for a host that knows a shorter one
if (offsetof<Facts>() != 112) ERROR("the window has another size");

let look: ((w: Window, v: Verdict) => void) | null = null;

// Sets what looks at windows; call it at the top of the module.
export function onFilter(f: (w: Window, v: Verdict) => void): void {
  look = f;
}

export function sb_filter(_at: u32, len: u32): u64 {
  const w = changetype<Window>(record.head(len, MAGIC_WINDOW, SHORT, offsetof<Facts>()));
  if (changetype<usize>(w) == 0 || look == null) return 0;
  const v = changetype<Verdict>(VERDICT);
  output = state = reason = 0;
  v.magic = MAGIC_VERDICT;
  v.version = <u16>MINOR;
  v.headerSize = <u16>HEADER;
  v.action = v.consumed = v.code = v.findings = 0;
  look!(w, v);
  if (v.action != ACTION_REPLACE) output = 0;
  const end = HEADER + output + state + reason;
  if (state > 0) memory.copy(VERDICT + HEADER + output, SAVED, state);
  if (reason > 0) memory.copy(VERDICT + HEADER + output + state, SAID, reason);
  v.output.off = HEADER;
  v.output.len = output;
  v.state.off = HEADER + output;
  v.state.len = state;
  v.reason.off = HEADER + output + state;
  v.reason.len = reason;
  return record.pack(VERDICT, end);
}
