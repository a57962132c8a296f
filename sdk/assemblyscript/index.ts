// Signalbox's guest SDK for modules in AssemblyScript, ABI sb/1: routing modules,
// which order the targets of a request, and filters, which look at text.
//
//   import { onRoute, Plan, Request } from "signalbox";
//   export { sb_abi, sb_buf, sb_route } from "signalbox";
//
//   onRoute((req: Request, plan: Plan): void => { plan.attempt(0); });
//
// A module exports what it does: sb_abi and sb_buf always, and sb_route,
// sb_filter, sb_configure and sb_observe with the function that onRoute,
// onFilter, onConfig and onObserve were given.
//
// A decision is a pure function of its record: time and randomness are in it,
// and instances come and go. A routing module that traps, loops or answers
// nonsense costs one request, which the gateway then orders by priority and
// weight; a filter that does blocks the request.
//
// The SDK itself allocates nothing. Modules that do, by strings, arrays or
// objects of their own, have to be compiled with --runtime incremental: with
// stub, which frees nothing, they run out of memory.

export * from "./layout";
export { Config, onConfig, sb_configure } from "./config";
export { Verdict, Window, onFilter, sb_filter } from "./filter";
export { counterAdd, log, metric } from "./host";
export { Batch, onObserve, sb_observe } from "./observe";
export { Rank, mix } from "./rank";
export { sb_abi, sb_buf } from "./record";
export { Plan, Request, onRoute, resting, sb_route } from "./route";
