// Redact: a window's text with what was found replaced by what it was.
#pragma once
#include "detect.h"

static const char *const names[KINDS] = {"[EMAIL]", "[PHONE]", "[IBAN]", "[CARD]", "[SECRET]"};

struct redaction {
	uint8_t *out; // room for the whole text: no replacement is longer than what it replaces
	uint32_t len; // of it
	uint32_t consumed;
	uint32_t findings;
	uint32_t kinds; // found
	int changed;    // out holds what goes on; else it is the text itself
	enum mode mode;
};

static void put(struct redaction *r, const uint8_t *from, uint32_t len) {
	memcpy(r->out + r->len, from, len);
	r->len += len;
}

static uint32_t length(const char *s) {
	uint32_t n = 0;
	while (s[n]) n++;
	return n;
}

// swallow goes over the rest of a token or a key that began in an earlier
// window and returns where it ends. Of a key, the last bytes wait: the mark of
// its end may have begun.
static uint32_t swallow(const struct text *t, struct redaction *r, uint32_t i) {
	for (; i < t->len; i++) {
		uint8_t class = r->mode == IN_TOKEN ? TOKEN : KEY;
		if (!is(t, i, class)) {
			r->mode = PLAIN;
			return i;
		}
		if (r->mode == IN_TOKEN || t->at[i] != '-') continue;
		int end = literal(t, i, r->mode == IN_KEY ? "-----END" : "-----");
		if (end < 0) return i;
		if (!end) continue;
		if (r->mode == IN_KEY_END) {
			r->mode = PLAIN;
			return i + 5;
		}
		r->mode = IN_KEY_END;
		i += 7;
	}
	return i;
}

// word is where the word begins that end lies in: an address or a token may
// begin with it.
static uint32_t word(const struct text *t, uint32_t end) {
	uint32_t i = end;
	while (i > t->from && end - i < LOCAL_MAX && class_of[t->at[i - 1]] & (LOCAL | TOKEN)) i--;
	return i;
}

// finish settles the text up to end.
static void finish(const struct text *t, struct redaction *r, uint32_t end) {
	r->consumed = end;
	if (r->changed) put(r, t->at + t->from, end - t->from);
}

static void redact(struct text *t, struct redaction *r, uint32_t kinds) {
	uint32_t at = 0;
	run.known = 0;
	if (r->mode != PLAIN) {
		r->changed = 1;
		at = swallow(t, r, 0);
	}
	t->from = at;
	while (r->mode == PLAIN && (at = skip(t, at)) < t->len) {
		struct found f = look(t, at, kinds);
		if (f.what == NOTHING) {
			uint32_t start = at++;
			if (is(t, start, DIGIT)) { // the rest of these digits begins nothing
				while (is(t, at, DIGIT)) at++;
			}
			continue;
		}
		if (f.what == UNSURE) {
			finish(t, r, word(t, f.start));
			return;
		}
		put(r, t->at + t->from, f.start - t->from);
		put(r, (const uint8_t *)names[f.kind], length(names[f.kind]));
		r->changed = 1;
		r->findings++;
		r->kinds |= 1u << f.kind;
		r->mode = f.mode;
		at = t->from = f.mode == PLAIN ? f.end : swallow(t, r, f.end);
	}
	if (r->mode != PLAIN) {
		r->consumed = t->final ? t->len : t->from; // what is swallowed goes nowhere
		return;
	}
	finish(t, r, t->final ? t->len : word(t, t->len));
}
