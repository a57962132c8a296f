// Cheapest sends a request to the target that costs least for its size, and
// falls back to the next cheapest. It is ../main.go in AssemblyScript.
import { Plan, Rank, Request, onRoute, resting } from "signalbox";
export { sb_abi, sb_buf, sb_route } from "signalbox";

onRoute((req: Request, plan: Plan): void => {
  Rank.reset();
  for (let i = 0; i < req.length; i++) {
    const t = req.target(i);
    let cost = <u64>req.inTokens * <u64>t.priceIn + <u64>req.outTokens * <u64>t.priceOut;
    if (resting(t)) cost |= <u64>1 << 63; // only when nothing else is left
    Rank.add(cost, t.weight);
  }
  Rank.draw(req.rand);
  for (let place = 0; place < Rank.length(); place++) plan.attempt(Rank.at(place));
  plan.because("cheapest first");
});
