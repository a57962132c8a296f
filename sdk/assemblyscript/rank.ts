import { MAX_TARGETS } from "./layout";

const ENTRY: usize = 16; // class, then weight and index in one word
const ENTRIES: usize = memory.data(64 * 16, 16);
if (MAX_TARGETS != 64) ERROR("the rank has another size");

// Orders targets as the gateway does by itself: a lower class comes first, and
// within a class each place is drawn at random by weight. The same seed gives
// the same order everywhere. There is one, for the call that runs.
export namespace Rank {
  let n: usize = 0;

  // Empties the rank.
  export function reset(): void {
    n = 0;
  }

  // The number of targets.
  export function length(): i32 {
    return <i32>n;
  }

  // What the gateway's own order ranks by: targets that rest come last, and
  // before that priority counts.
  export function classOf(priority: u32, resting: bool): u64 {
    return (<u64>resting << 32) | priority;
  }

  // Appends the next target; a weight of 0 counts as 1.
  // @ts-ignore: decorator
  @inline
  export function add(order: u64, weight: u32): void {
    if (n >= MAX_TARGETS) unreachable();
    const drawn = (<u64>max<u32>(weight, 1) << 32) | <u64>n;
    let at = ENTRIES + n * ENTRY;
    for (; at > ENTRIES && load<u64>(at - ENTRY) > order; at -= ENTRY) {
      store<u64>(at, load<u64>(at - ENTRY));
      store<u64>(at + 8, load<u64>(at - ENTRY + 8));
    }
    store<u64>(at, order);
    store<u64>(at + 8, drawn);
    n++;
  }

  // Orders the targets within each class.
  export function draw(seed: u64): void {
    const end = ENTRIES + n * ENTRY;
    for (let from = ENTRIES; from < end; ) {
      let to = from;
      let sum: u64 = 0;
      for (const order = load<u64>(from); to < end && load<u64>(to) == order; to += ENTRY) sum += load<u64>(to + 8) >> 32;
      for (; from + ENTRY < to; from += ENTRY) {
        seed += 0x9e3779b97f4a7c15;
        let left = mix(seed) % sum;
        let at = from;
        let drawn = load<u64>(at + 8);
        while (left >= drawn >> 32) {
          left -= drawn >> 32;
          at += ENTRY;
          drawn = load<u64>(at + 8);
        }
        sum -= drawn >> 32;
        store<u64>(at + 8, load<u64>(from + 8)); // the classes are equal
        store<u64>(from + 8, drawn);
      }
      from = to;
    }
  }

  // The target at a place.
  // @ts-ignore: decorator
  @inline
  export function at(place: i32): i32 {
    return load<u32>(ENTRIES + <usize>place * ENTRY + 8);
  }
}

// The output function of SplitMix64: a random-looking bijection.
export function mix(x: u64): u64 {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
