// Least-busy sends a request where the least is going on, for the size of the
// target: requests in flight for each that it takes, or for its weight.
import { Config, LEVEL_ERROR, Plan, Rank, Request, Target, log, onConfig, onRoute, resting } from "signalbox";
export { sb_abi, sb_buf, sb_configure, sb_route } from "signalbox";

// What the size of a target is.
const EITHER: i32 = 0; // the limit, where all targets have one
const LIMIT: i32 = 1;
const WEIGHT: i32 = 2;

let by: i32 = EITHER;

onConfig((c: Config): bool => {
  const json = c.text(c.data).replaceAll(" ", "").replaceAll("\n", "");
  if (json == '{"by":"limit"}') by = LIMIT;
  else if (json == '{"by":"weight"}') by = WEIGHT;
  else if (json != "" && json != "{}") {
    log(LEVEL_ERROR, 'configuration: give {"by": "limit"} or {"by": "weight"}, nothing else');
    return false;
  }
  return true;
});

// standing is 0 for a target that can take the request, 1 for one that is full,
// 2 for one that rests.
function standing(req: Request, t: Target): u64 {
  if (resting(t)) return 2;
  const full = t.maxInFlight > 0 && t.inFlight >= t.maxInFlight;
  const spent = t.requestsLeft == 0 || (t.tokensLeft >= 0 && <u32>t.tokensLeft < req.inTokens);
  const small = t.context > 0 && t.context < req.inTokens;
  return full || spent || small ? 1 : 0;
}

// size is by how much a target's requests are divided. One without a limit
// beside others that have one counts as a small one.
function size(t: Target, limits: bool): f64 {
  if (limits) return <f64>max<u32>(t.maxInFlight, 1);
  return <f64>max<u32>(t.weight, 1);
}

onRoute((req: Request, plan: Plan): void => {
  let limits = by != WEIGHT;
  for (let i = 0; i < req.length && by == EITHER; i++) limits = limits && req.target(i).maxInFlight > 0;
  Rank.reset();
  for (let i = 0; i < req.length; i++) {
    const t = req.target(i);
    const load = (<f64>t.inFlight + 1) / size(t, limits); // with this request
    // Positive numbers are in the order of their bits; the last few do not count.
    Rank.add((standing(req, t) << 62) | ((reinterpret<u64>(load) >> 2) & ~0xff), t.weight);
  }
  Rank.draw(req.rand);
  for (let place = 0; place < Rank.length(); place++) plan.attempt(Rank.at(place));
  if (limits) plan.because("least in flight for its limit");
  else plan.because("least in flight for its weight");
});
