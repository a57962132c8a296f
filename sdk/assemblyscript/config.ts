import { ConfigHead as Header, MAGIC_CONFIG, Str } from "./layout";
import * as record from "./record";

// What an instance is configured with before its first call, valid during it
// only: the name, the module's own configuration in JSON (data), and what the
// bits of tags are called.
@unmanaged
export class Config extends Header {
  // A string of the record: where it is, and its length. text allocates.
  at(s: Str): usize { return record.at(s); }
  len(s: Str): i32 { return record.len(s); }
  text(s: Str): string { return record.text(s); }

  // The bit of a tag, 0 for one that no target has. It allocates.
  tag(name: string): u64 {
    const tags = record.text(this.tags).split("\n");
    for (let i = 0; i < min(tags.length, 64); i++) {
      if (tags[i] == name && name != "") return <u64>1 << i;
    }
    return 0;
  }
}

const SHORT: usize = memory.data(40, 16); // for a host that knows a shorter one
if (offsetof<Header>() != 40) ERROR("the configuration has another size");

let configure: ((c: Config) => bool) | null = null;

// Sets what reads the configuration; false refuses the module. Call it at the top of the module.
export function onConfig(f: (c: Config) => bool): void {
  configure = f;
}

export function sb_configure(_at: u32, len: u32): i32 {
  const c = changetype<Config>(record.head(len, MAGIC_CONFIG, SHORT, offsetof<Header>()));
  if (changetype<usize>(c) == 0 || configure == null) return 1;
  return configure!(c) ? 0 : 1;
}
