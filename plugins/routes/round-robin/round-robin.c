// Round-robin sends requests in turn to the targets that are ready, whatever
// their priorities and weights. Whose turn it is lies in a counter of the host,
// one for each model, which all instances share.
#include "signalbox.h"

// standing is 0 for a target that can take the request, 1 for one that is full,
// 2 for one that rests.
static uint64_t standing(const sb_request *req, const sb_target *t) {
	if (sb_resting(t)) return 2;
	int full = t->max_in_flight > 0 && t->in_flight >= t->max_in_flight;
	int spent = t->requests_left == 0 || (t->tokens_left >= 0 && (uint32_t)t->tokens_left < req->in_tokens);
	int small = t->context > 0 && t->context < req->in_tokens;
	return full || spent || small;
}

// counter is where the model's turns are counted.
static uint32_t counter(const sb_request *req) {
	sb_slice model = sb_text(req->model);
	uint64_t h = 0xcbf29ce484222325u;
	for (uint32_t i = 0; i < model.len; i++) h = (h ^ model.at[i]) * 0x100000001b3u; // FNV-1a
	return sb_mix(h) % SB_MAX_COUNTERS;
}

static void decide(const sb_request *req, sb_planner *plan) {
	static sb_rank rank;
	rank.n = 0;
	for (uint32_t i = 0; i < req->targets; i++)
		sb_rank_add(&rank, standing(req, sb_target_at(req, i)), 1);
	uint32_t group = 0;
	while (group < rank.n && rank.entries[group].class == rank.entries[0].class) group++;
	if (group == 0) return;
	uint32_t turn = (uint64_t)(sb_counter_add(counter(req), 1) - 1) % group;
	for (uint32_t place = 0; place < rank.n; place++)
		sb_try(plan, sb_rank_at(&rank, place < group ? (turn + place) % group : place));
	sb_because(plan, SB_LITERAL("in turn"));
}

SB_ROUTE(decide)
