// What a module may ask of its host. Each is granted by the manifest.

// @ts-ignore: decorator
@external("sb", "log")
declare function hostLog(level: u32, at: usize, len: u32): void;

// Adds to one of 64 counters that all instances of the module share, and that
// outlive them and their version, and returns what it then is; the grant is
// "counters". It is not for the configuration: what it answers is recorded, so
// that a decision can be repeated.
// @ts-ignore: decorator
@external("sb", "counter_add")
export declare function counterAdd(id: u32, delta: i64): i64;

// Sets one of 64 metrics of the module; the grant is "metrics".
// @ts-ignore: decorator
@external("sb", "metric")
export declare function metric(id: u32, value: f64): void;

// Tells the gateway's log a line of up to 1 KiB; the grant is "log". It allocates.
export function log(level: u32, text: string): void {
  const utf8 = String.UTF8.encode(text);
  hostLog(level, changetype<usize>(utf8), utf8.byteLength);
}
