// Records: where the host writes them, and how they are read.
import { ABI, ConfigHead, Str } from "./layout";

const SIZE: u32 = 32 << 10; // the largest record that a module takes
const BUFFER: usize = memory.data(32 << 10, 16);

let length: u32 = 0; // of the record
export let first: usize = 0; // of its parts
export let stride: usize = 0;

export function sb_abi(): u32 {
  return ABI;
}

export function sb_buf(least: u32): u64 {
  return least > SIZE ? 0 : pack(BUFFER, SIZE);
}

// pack is what an export answers: address and length.
// @ts-ignore: decorator
@inline
export function pack(at: usize, len: u32): u64 {
  return (<u64>at << 32) | <u64>len;
}

// head returns where a record's header is, 0 when it is not one. A host that
// knows fewer fields has written a shorter one, which is copied to room: what it
// lacks reads as zero.
export function head(len: u32, magic: u32, room: usize, size: u32): usize {
  const h = changetype<ConfigHead>(BUFFER); // all records begin alike
  length = len;
  if (len > SIZE || len < 8 || h.magic != magic || <u32>h.headerSize > len) return 0;
  return <u32>h.headerSize >= size ? BUFFER : widen(room, size, BUFFER, h.headerSize);
}

function widen(to: usize, size: u32, from: usize, have: u32): usize {
  memory.fill(to, 0, size);
  memory.copy(to, from, min(have, size));
  return to;
}

// parts finds the structures that follow a header.
export function parts(off: u32, step: u32, n: u32, room: usize, size: u32, most: u32): bool {
  if (n > most || <u64>off + <u64>step * n > <u64>length || ((off | step) & 7) != 0) return false;
  first = BUFFER + off;
  stride = step;
  if (step >= size) return true;
  for (let i: u32 = 0; i < n; i++) widen(room + i * size, size, first + i * step, step);
  first = room;
  stride = size;
  return true;
}

// at is where a string of the record begins, the beginning of the record when it
// lies outside: len says then that it is empty.
export function at(s: Str): usize {
  return fits(s) ? BUFFER + s.off : BUFFER;
}

export function len(s: Str): i32 {
  return fits(s) ? <i32>s.len : 0;
}

// @ts-ignore: decorator
@inline
function fits(s: Str): bool {
  return <u64>s.off + s.len <= <u64>length;
}

// text is a string of the record as one of AssemblyScript's: it allocates.
export function text(s: Str): string {
  return String.UTF8.decodeUnsafe(at(s), len(s));
}
