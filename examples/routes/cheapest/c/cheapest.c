// Cheapest sends a request to the target that costs least for its size, and
// falls back to the next cheapest. It is ../main.go in C.
#include "signalbox.h"

static void cheapest(const sb_request *req, sb_planner *plan) {
	static sb_rank rank; // one call at a time
	rank.n = 0;
	for (uint32_t i = 0; i < req->targets; i++) {
		const sb_target *t = sb_target_at(req, i);
		uint64_t cost = (uint64_t)req->in_tokens * (uint64_t)t->price_in + (uint64_t)req->out_tokens * (uint64_t)t->price_out;
		if (sb_resting(t)) cost |= (uint64_t)1 << 63; // only when nothing else is left
		sb_rank_add(&rank, cost, t->weight);
	}
	sb_rank_draw(&rank, req->rand);
	for (uint32_t place = 0; place < rank.n; place++) sb_try(plan, sb_rank_at(&rank, place));
	sb_because(plan, SB_LITERAL("cheapest first"));
}

SB_ROUTE(cheapest)
