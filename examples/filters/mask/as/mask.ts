// Mask hides numbers: of five digits and more in a row it shows the last four.
// It is ../main.go in AssemblyScript.
import { Verdict, Window, onFilter } from "signalbox";
export { sb_abi, sb_buf, sb_filter } from "signalbox";

const SHOWN: usize = 4;

// @ts-ignore: decorator
@inline
function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - 48 <= 9;
}

onFilter((w: Window, v: Verdict): void => {
  const text = w.begin;
  const last = text + w.length;
  let done = text; // written so far
  let end = last; // to be settled
  let found: u32 = 0;
  for (let i = text; i < last; ) {
    if (!isDigit(i)) {
      i++;
      continue;
    }
    const from = i;
    while (i < last && isDigit(i)) i++;
    if (i == last && !w.final) end = i - from > SHOWN ? i - SHOWN : from; // more digits may follow: the last four wait for them
    if (i - from > SHOWN) {
      const hidden = <u32>(i - from - SHOWN);
      v.write(done, <u32>(from - done));
      v.fill(0x2a, hidden); // '*'
      found += hidden;
      done = from + hidden;
    }
  }
  v.findings = found;
  if (found > 0) {
    v.write(done, <u32>(end - done));
    v.because("digits hidden");
    v.replace(<i32>(end - text));
  } else if (end == text && last > text) {
    v.more();
  } else {
    v.pass(<i32>(end - text));
  }
});
