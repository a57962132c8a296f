// Settings: {"detect": ["email", …], "action": "redact" | "block"}.
#pragma once
#include "signalbox.h"
#include "detect.h"

struct settings {
	uint32_t kinds; // that are looked for, by bit
	int block;      // instead of redacting
};

static sb_slice kind_name(int kind) {
	static const char *const all[KINDS] = {"email", "phone", "iban", "card", "secret"};
	uint32_t n = 0;
	while (all[kind][n]) n++;
	return (sb_slice){(const unsigned char *)all[kind], n};
}

// A cursor over the text of a configuration.
struct cursor {
	sb_slice text;
	uint32_t at;
};

static int take(struct cursor *c, unsigned char byte) {
	while (c->at < c->text.len && c->text.at[c->at] <= ' ') c->at++;
	if (c->at == c->text.len || c->text.at[c->at] != byte) return 0;
	c->at++;
	return 1;
}

// string reads a string without escapes; none of those that are known has any.
static int string(struct cursor *c, sb_slice *out) {
	if (!take(c, '"')) return 0;
	uint32_t from = c->at;
	while (c->at < c->text.len && c->text.at[c->at] != '"' && c->text.at[c->at] != '\\') c->at++;
	*out = (sb_slice){c->text.at + from, c->at - from};
	return take(c, '"');
}

static const char *read_kinds(struct cursor *c, struct settings *s) {
	sb_slice name;
	s->kinds = 0;
	if (!take(c, '[')) return "configuration: detect is not a list";
	do {
		int kind = 0;
		if (!string(c, &name)) return "configuration: detect is empty, or holds something else than names";
		while (kind < KINDS && !sb_equal(name, kind_name(kind))) kind++;
		if (kind == KINDS) return "configuration: detect knows email, phone, iban, card and secret";
		s->kinds |= 1u << kind;
	} while (take(c, ','));
	return take(c, ']') ? NULL : "configuration: detect does not end";
}

static const char *read_action(struct cursor *c, struct settings *s) {
	sb_slice name;
	if (!string(c, &name)) return "configuration: action is not a name";
	s->block = sb_equal(name, SB_LITERAL("block"));
	return s->block || sb_equal(name, SB_LITERAL("redact")) ? NULL : "configuration: action is neither redact nor block";
}

// read_settings returns what is wrong, NULL for nothing.
static const char *read_settings(sb_slice json, struct settings *s) {
	struct cursor c = {.text = json};
	if (!take(&c, '{')) return "configuration: it is not an object";
	if (!take(&c, '}')) {
		do {
			sb_slice key;
			const char *problem = "configuration: it knows detect and action";
			if (!string(&c, &key) || !take(&c, ':')) return "configuration: it is not valid JSON";
			if (sb_equal(key, SB_LITERAL("detect"))) problem = read_kinds(&c, s);
			if (sb_equal(key, SB_LITERAL("action"))) problem = read_action(&c, s);
			if (problem) return problem;
		} while (take(&c, ','));
		if (!take(&c, '}')) return "configuration: it does not end";
	}
	take(&c, 0);
	return c.at == c.text.len ? NULL : "configuration: something follows it";
}
