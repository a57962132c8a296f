// Probe is ../main.go in C.
#include "signalbox.h"

static uint64_t sum, configured;

static void number(uint64_t n) { sum = sb_mix(sum ^ n); }

static void text(sb_slice s) {
	number(s.len);
	for (uint32_t i = 0; i < s.len; i++) number(s.at[i]);
}

static void real(double f) {
	union {
		double f;
		uint64_t n;
	} bits = {.f = f};
	number(bits.n);
}

// told is the sum in letters.
static sb_slice told(void) {
	static unsigned char out[16];
	for (int i = 0; i < 16; i++) out[i] = 'a' + (sum >> 4 * i & 15);
	return (sb_slice){out, 16};
}

static int read(const sb_configuration *c) {
	sum = 0;
	text(c->name);
	text(c->json);
	number(sb_tag(c, SB_LITERAL("eu")));
	number(sb_tag(c, SB_LITERAL("fast")));
	number(sb_tag(c, SB_LITERAL("none")));
	configured = sum;
	return 0;
}

static void decide(const sb_request *r, sb_planner *p) {
	sum = configured;
	number(r->id), number(r->now_ms), number(r->rand), number(r->flags), number(r->kind), number(r->in_tokens), number(r->out_tokens);
	number((uint64_t)r->budget), number(r->deny_tags), number(r->last_error), number(r->size), number(r->session), number(r->prefix);
	number((uint64_t)r->budget_max), number(r->sticky), number(r->features.messages), number(r->features.foreign);
	text(sb_text(r->model)), text(sb_text(r->tenant)), text(sb_text(r->key)), text(sb_text(r->team)), text(sb_text(r->user)), text(sb_text(r->meta));
	for (uint32_t i = 0; i < r->targets; i++) {
		const sb_target *t = sb_target_at(r, i);
		text(sb_text(t->id)), text(sb_text(t->region));
		number(t->tags), number((uint64_t)t->price_in), number((uint64_t)t->price_out), number((uint64_t)(int64_t)t->requests_left);
		number(t->retry_after_ms), number(t->weight), number(t->priority), number(t->capabilities);
		real(t->ttft_ms), real(t->error_rate), real(t->quality);
	}
	sb_because(p, told());
	if (!(r->flags & SB_FLAG_STREAM)) {
		sb_refuse(p, (uint32_t)sum | 1, told());
		return;
	}
	sb_attempt *a = sb_try(p, r->targets - 1);
	a->timeout_ms = 1000, a->hedge_ms = 200, a->backoff_ms = 10, a->backoff_max_ms = 40, a->weight = 9, a->flags = SB_ATTEMPT_CHECK;
	sb_try(p, 0);
}

static void look(const sb_window *w, sb_judge *v) {
	sum = configured;
	number(w->id), number(w->now_ms), number(w->rand), number(w->flags), number(w->kind), number(w->channel), number(w->index);
	number(w->choice), number(w->start), number(w->seen);
	text(sb_window_text(w)), text(sb_text(w->state)), text(sb_text(w->label)), text(sb_text(w->model)), text(sb_text(w->tenant));
	number(sb_window_cut(w, 3));
	sb_explain(v, told());
	switch (w->index) {
	case 1:
		sb_pass(v, 12);
		sb_save(v, SB_LITERAL("s1"));
		break;
	case 2:
		sb_write(v, "write to ", 9);
		sb_fill(v, '[', 1);
		sb_write(v, "e-mail]", 7);
		sb_replace(v, 20);
		sb_save(v, SB_LITERAL("s2"));
		v->head.findings = 1, v->head.code = 7;
		break;
	case 3:
		sb_block(v, 451, SB_LITERAL("secret"));
		v->head.findings = 2;
		break;
	case 4:
		sb_more(v);
		sb_save(v, SB_LITERAL("s3"));
		break;
	case 5:
		sb_escalate(v, 20);
		sb_save(v, SB_LITERAL("s4"));
		v->head.code = 9;
	}
}

static void learn(const sb_observation *b) {
	sum = 0;
	number(b->dropped), number(b->now_ms);
	for (uint32_t i = 0; i < b->outcomes; i++) {
		const sb_outcome *o = sb_outcome_at(b, i);
		number(o->id), number(o->end_ms);
		text(sb_text(o->target)), text(sb_text(o->model)), text(sb_text(o->tenant));
		real(o->ttft_ms), real(o->total_ms);
		number((uint64_t)o->cost), number(o->out_tokens), number(o->flags);
	}
	sb_counter_add(5, (int64_t)(sum >> 1));
	sb_metric(6, 0.25);
	sb_log(SB_LEVEL_WARN, SB_LITERAL("learned"));
}

SB_ROUTE(decide)
SB_FILTER(look)
SB_CONFIG(read)
SB_OBSERVE(learn)
