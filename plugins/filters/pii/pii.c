// Pii takes personal data and secrets out of texts, or blocks them.
#include "signalbox.h"
#include "detect.h"
#include "redact.h"
#include "settings.h"

#ifndef PII_SETTINGS
#define PII_SETTINGS {.kinds = (1 << KINDS) - 1, .block = 0}
#endif
static struct settings settings = PII_SETTINGS;

static int configure(const sb_configuration *c) {
	if (c->json.len == 0) return 0;
	const char *problem = read_settings(c->json, &settings);
	if (problem) sb_log(SB_LEVEL_ERROR, (sb_slice){(const unsigned char *)problem, length(problem)});
	return problem != 0;
}

// The state of a channel: its last byte that went on, and what goes on over it.
struct state {
	uint8_t before, mode;
};

static void screen(const sb_window *w, sb_judge *v) {
	if (!class_of['0']) init_classes();
	sb_slice text = sb_window_text(w), saved = sb_text(w->state);
	struct state state = {0, PLAIN};
	if (saved.len == sizeof state) memcpy(&state, saved.at, sizeof state);
	struct text t = {.at = text.at, .len = text.len, .before = state.before, .final = (uint8_t)sb_window_final(w)};
	struct redaction r = {.out = v->tail, .mode = (enum mode)state.mode};
	redact(&t, &r, settings.kinds);

	v->head.findings = r.findings;
	v->head.code = r.kinds;
	if (r.findings && settings.block) {
		sb_block(v, r.kinds, SB_LITERAL("the text holds personal data or secrets"));
		return;
	}
	if (r.consumed) state.before = text.at[r.consumed - 1];
	state.mode = (uint8_t)r.mode;
	sb_save(v, (sb_slice){(const unsigned char *)&state, sizeof state});
	if (r.consumed == 0 && text.len > 0 && sb_window_waits(w)) {
		sb_more(v);
		return;
	}
	if (r.changed) {
		v->output = r.len;
		sb_replace(v, r.consumed);
		return;
	}
	sb_pass(v, r.consumed);
}

SB_FILTER(screen)
SB_CONFIG(configure)
