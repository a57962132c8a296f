import { MAGIC_OBSERVATION, MAX_OUTCOMES, ObservationHead as Facts, Outcome, Str } from "./layout";
import * as record from "./record";

// Outcomes of attempts, oldest first. What a module learns from them goes to
// counters: other instances decide.
@unmanaged
export class Batch extends Facts {
  // The number of outcomes.
  @inline get length(): i32 { return <i32>this.outcomes; }

  // Outcome i; one that does not exist ends the call.
  @inline outcome(i: i32): Outcome {
    if (<u32>i >= this.outcomes) unreachable();
    return changetype<Outcome>(record.first + <usize>i * record.stride);
  }

  // A string of the record: where it is, and its length. text allocates.
  at(s: Str): usize { return record.at(s); }
  len(s: Str): i32 { return record.len(s); }
  text(s: Str): string { return record.text(s); }
}

const SHORT: usize = memory.data(56, 16); // for a host that knows shorter ones
const SHORT_OUTCOMES: usize = memory.data(128 * 88, 16);
if (offsetof<Facts>() != 56 || offsetof<Outcome>() != 88 || MAX_OUTCOMES != 128) ERROR("the observation has another size");

let learn: ((b: Batch) => void) | null = null;

// Sets what learns how attempts ended; call it at the top of the module.
export function onObserve(f: (b: Batch) => void): void {
  learn = f;
}

export function sb_observe(_at: u32, len: u32): void {
  const b = changetype<Batch>(record.head(len, MAGIC_OBSERVATION, SHORT, offsetof<Facts>()));
  if (changetype<usize>(b) == 0 || learn == null) return;
  if (record.parts(b.outcomeOff, b.outcomeSize, b.outcomes, SHORT_OUTCOMES, offsetof<Outcome>(), MAX_OUTCOMES)) learn!(b);
}
