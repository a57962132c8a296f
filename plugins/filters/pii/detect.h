// What is taken for personal data and secrets, and how far a text has to be
// seen to know. Every decision follows from at most 64 bytes before the place
// and 192 behind it, so that it does not depend on how a stream was cut.
#pragma once
#include <stdint.h>
#include <wasm_simd128.h>

enum kind { EMAIL, PHONE, IBAN, CARD, SECRET, KINDS };

// Longest reach of a match to either side.
enum { LOCAL_MAX = 64, DOMAIN_MAX = 128 };

// What goes on over the end of a window.
enum mode { PLAIN, IN_TOKEN, IN_KEY, IN_KEY_END };

// Classes of bytes.
enum { DIGIT = 1, LETTER = 2, UPPER = 4, LOCAL = 8, TOKEN = 16, KEY = 32, ALNUM = DIGIT | LETTER };

static void init_ibans(void);
static void init_tokens(void);

static uint8_t class_of[256];

static void init_classes(void) {
	for (int c = 0; c < 256; c++) {
		uint8_t b = 0;
		if (c >= '0' && c <= '9') b |= DIGIT;
		if (c >= 'A' && c <= 'Z') b |= UPPER | LETTER;
		if (c >= 'a' && c <= 'z') b |= LETTER;
		if ((b & ALNUM) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-') b |= LOCAL;
		if ((b & ALNUM) || c == '.' || c == '_' || c == '-') b |= TOKEN;
		if ((b & ALNUM) || c == '+' || c == '/' || c == '=' || c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == ':' || c == ',' || c == '-' || c == '\\') b |= KEY;
		class_of[c] = b;
	}
	init_ibans();
	init_tokens();
}

// A text and where one is in it.
struct text {
	const uint8_t *at;
	uint32_t len, from; // matches start at from or later
	uint8_t before;     // the byte before at[0], 0: none
	uint8_t final;      // nothing follows
};

// What was found at a place.
struct found {
	enum { NOTHING, MATCH, UNSURE } what; // UNSURE: more has to be seen
	uint32_t start, end;
	enum kind kind;
	enum mode mode; // in which the text goes on
};

static inline int is(const struct text *t, uint32_t i, uint8_t class) { return i < t->len && class_of[t->at[i]] & class; }

static inline uint8_t byte_before(const struct text *t, uint32_t i) { return i ? t->at[i - 1] : t->before; }

// A word starts at i.
static inline int starts(const struct text *t, uint32_t i) { return !(class_of[byte_before(t, i)] & ALNUM); }

// What is before i ends there: no letter, digit or @ follows.
static inline int ends(const struct text *t, uint32_t i) { return i >= t->len || !(class_of[t->at[i]] & ALNUM || t->at[i] == '@'); }

// i is where the text ends for now.
static inline int open_at(const struct text *t, uint32_t i) { return i >= t->len && !t->final; }

static struct found nothing(void) { return (struct found){.what = NOTHING}; }
static struct found unsure(uint32_t start) { return (struct found){.what = UNSURE, .start = start}; }
static struct found match(enum kind kind, uint32_t start, uint32_t end) {
	return (struct found){.what = MATCH, .start = start, .end = end, .kind = kind};
}

// skip is the first place from i on where something may be found: a digit or
// one of @ + ( - _ J K S z.
static uint32_t skip(const struct text *t, uint32_t i) {
	const v128_t low = wasm_i8x16_make(6, 2, 2, 10, 2, 2, 2, 2, 3, 2, 20, 5, 0, 1, 0, 8);
	const v128_t high = wasm_i8x16_make(0, 0, 1, 2, 4, 8, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0);
	for (; i + 16 <= t->len; i += 16) {
		v128_t b = wasm_v128_load(t->at + i);
		v128_t lo = wasm_i8x16_swizzle(low, wasm_v128_and(b, wasm_i8x16_splat(15)));
		v128_t hi = wasm_i8x16_swizzle(high, wasm_u8x16_shr(b, 4));
		uint32_t hits = wasm_i8x16_bitmask(wasm_i8x16_ne(wasm_v128_and(lo, hi), wasm_i8x16_splat(0)));
		if (hits) return i + (uint32_t)__builtin_ctz(hits);
	}
	for (; i < t->len; i++) {
		uint8_t c = t->at[i];
		if (class_of[c] & DIGIT || c == '@' || c == '+' || c == '(' || c == '-' || c == '_' || c == 'J' || c == 'K' || c == 'S' || c == 'z') break;
	}
	return i;
}

// at is the place of an @.
static struct found email(const struct text *t, uint32_t at) {
	uint32_t start = at, end = at + 1;
	while (start > t->from && at - start < LOCAL_MAX && is(t, start - 1, LOCAL)) start--;
	while (start < at && !is(t, start, ALNUM)) start++;
	if (start == at) return nothing();
	while (end < t->len && end - at <= DOMAIN_MAX && (is(t, end, ALNUM) || t->at[end] == '-' || t->at[end] == '.')) end++;
	if (open_at(t, end) && end - at <= DOMAIN_MAX) return unsure(start);
	while (end > at + 1 && !is(t, end - 1, ALNUM)) end--;
	uint32_t dot = end;
	while (dot > at + 1 && is(t, dot - 1, LETTER)) dot--;
	if (end - dot < 2 || dot <= at + 2 || t->at[dot - 1] != '.' || !is(t, at + 1, ALNUM)) return nothing();
	return match(EMAIL, start, end);
}

// Digits of a number, with where each ends.
struct number {
	uint8_t digit[20];
	uint32_t end[20];
	int count;
	int open; // it may go on where the text ends
};

// read_number takes up to most digits from i on, with up to gap separators between two.
static struct number read_number(const struct text *t, uint32_t i, int most, const char *separators, int gap) {
	struct number n;
	n.count = n.open = 0;
	while (n.count < most) {
		uint32_t next = i;
		for (int left = n.count ? gap : 0; left > 0 && next < t->len && !is(t, next, DIGIT); left--, next++) {
			const char *s = separators;
			while (*s && *s != (char)t->at[next]) s++;
			if (!*s) return n;
		}
		if (open_at(t, next)) n.open = 1;
		if (!is(t, next, DIGIT)) return n;
		n.digit[n.count] = t->at[next] - '0';
		i = n.end[n.count++] = next + 1;
	}
	n.open = open_at(t, i);
	return n;
}

// A run of digits with at most one blank or hyphen between two. It is read once
// however many cards might begin in it, with sums by which each is checked at once.
static struct run {
	uint32_t from, at, count; // at: the digit that was asked for last
	int known, open;          // open: it may go on where the text ends
	uint32_t end[8192];       // of each digit
	uint8_t even[8193];       // check sums of the digits before, mod 10, when those at even places count once
	uint8_t odd[8193];        // and when those at odd ones do
} run;

static void read_run(const struct text *t, uint32_t i) {
	uint32_t n = 0, even = 0, odd = 0;
	run.from = i;
	for (;;) {
		uint32_t d = (uint32_t)t->at[i] - '0', twice = d > 4 ? 2 * d - 9 : 2 * d;
		even += n & 1 ? twice : d;
		odd += n & 1 ? d : twice;
		if (even > 9) even -= 10;
		if (odd > 9) odd -= 10;
		run.end[n++] = ++i;
		run.even[n] = (uint8_t)even;
		run.odd[n] = (uint8_t)odd;
		if (i < t->len && (t->at[i] == ' ' || t->at[i] == '-')) i++;
		if (!is(t, i, DIGIT)) break;
	}
	run.open = open_at(t, i);
	run.count = n;
	run.at = 0;
	run.known = 1;
}

static struct found card(const struct text *t, uint32_t i) {
	if (t->at[i] < '2' || t->at[i] > '6') return nothing();
	if (!run.known || i < run.from || i >= run.end[run.count - 1]) read_run(t, i);
	while (run.end[run.at] <= i) run.at++;
	uint32_t at = run.at, left = run.count - at;
	if (left < 19 ? run.open : open_at(t, run.end[at + 18])) return unsure(i);
	uint8_t even = run.even[at], odd = run.odd[at];
	for (uint32_t count = left < 19 ? left : 19; count >= 13; count--) {
		uint32_t last = at + count - 1; // the check digit counts once
		if (last & 1 ? run.odd[last + 1] != odd : run.even[last + 1] != even) continue;
		if (ends(t, run.end[last])) return match(CARD, i, run.end[last]);
	}
	return nothing();
}

// international is a number that begins with + or 00; i is its first digit.
static struct found international(const struct text *t, uint32_t start, uint32_t i) {
	struct number n = read_number(t, i, 15, " -./()", 2);
	if (n.open) return unsure(start);
	for (int count = n.count; count >= 8; count--) {
		if (ends(t, n.end[count - 1])) return match(PHONE, start, n.end[count - 1]);
	}
	return nothing();
}

// grouped is a number of ten digits written (555) 123-4567, or with the same
// separators throughout as 555-123-4567.
static struct found grouped(const struct text *t, uint32_t start) {
	static const char form[2][13] = {"d-d-d", "(d) d-d"};
	uint32_t i = start;
	int part = 0;
	uint8_t separator = 0;
	for (const char *f = form[t->at[start] == '(']; *f; f++) {
		if (*f == 'd') {
			int want = part++ == 2 ? 4 : 3;
			while (want > 0 && is(t, i, DIGIT)) i++, want--;
			if (want > 0) return open_at(t, i) ? unsure(start) : nothing();
			continue;
		}
		if (i >= t->len) return t->final ? nothing() : unsure(start);
		uint8_t c = t->at[i];
		if (*f == '-') {
			if (c != '-' && c != '.' && c != ' ') return nothing();
			if (separator && c != separator) return nothing();
			if (t->at[start] != '(') separator = c;
			i++;
		} else if (c == (uint8_t)*f) {
			i++;
		} else if (*f != ' ') {
			return nothing();
		}
	}
	if (open_at(t, i)) return unsure(start);
	return ends(t, i) ? match(PHONE, start, i) : nothing();
}

// iban_length is how long those of a country are, by its two letters; 0: it has none.
static uint8_t iban_length[26 * 26];

static void init_ibans(void) {
	static const char table[] =
		"NO15BE16DK18FI18FO18GL18NL18MK19SI19AT20BA20EE20KZ20LT20LU20XK20CH21HR21LI21LV21BG22BH22CR22DE22GB22GE22IE22ME22RS22VA22"
		"AE23GI23IL23IQ23TL23AD24CZ24ES24MD24PK24RO24SA24SE24SK24TN24VG24LY25PT25ST25IS26TR26FR27GR27IT27MC27MR27SM27AL28AZ28BY28"
		"CY28DO28GT28HU28LB28NI28PL28SV28BR29EG29PS29QA29UA29JO30KW30MU30MT31SC31LC32";
	for (const char *p = table; *p; p += 4) {
		iban_length[(p[0] - 'A') * 26 + p[1] - 'A'] = (uint8_t)((p[2] - '0') * 10 + p[3] - '0');
	}
}

// iban starts two letters before the digit at i.
static struct found iban(const struct text *t, uint32_t i) {
	if (i < t->from + 2 || !is(t, i - 1, UPPER) || !is(t, i - 2, UPPER) || !starts(t, i - 2)) return nothing();
	uint32_t start = i - 2, length = iban_length[(t->at[start] - 'A') * 26 + t->at[start + 1] - 'A'], at = start;
	if (!length) return nothing();
	uint64_t head = 0, rest = 0;
	for (uint32_t n = 0; n < length; n++, at++) {
		if (n && at < t->len && t->at[at] == ' ') at++;
		if (at >= t->len) return t->final ? nothing() : unsure(start);
		uint8_t c = t->at[at];
		if (n == 4) head = rest, rest = 0; // the four characters at the front count at the end
		if (class_of[c] & DIGIT) {
			rest = rest * 10 + (c - '0');
		} else if (class_of[c] & LETTER) {
			rest = rest * 100 + ((c & ~0x20) - 'A' + 10);
		} else {
			return nothing();
		}
		if (rest >= 1000000000000000) rest %= 97;
	}
	if (open_at(t, at)) return unsure(start);
	if (!ends(t, at) || (rest % 97 * 1000000 + head) % 97 != 1) return nothing(); // AB12 counts as six digits
	return match(IBAN, start, at);
}

static struct found number(const struct text *t, uint32_t i, uint32_t kinds) {
	struct found f = kinds & 1 << IBAN && i && is(t, i - 1, UPPER) ? iban(t, i) : nothing();
	if (f.what == NOTHING && !starts(t, i)) return nothing();
	if (f.what == NOTHING && kinds & 1 << CARD) f = card(t, i);
	if (f.what != NOTHING || !(kinds & 1 << PHONE)) return f;
	if (t->at[i] == '0' && i + 1 < t->len && t->at[i + 1] == '0') return international(t, i, i + 2);
	if (open_at(t, i + 1)) return unsure(i);
	return is(t, i + 1, DIGIT) ? grouped(t, i) : nothing();
}

// Tokens are known by how they begin; anchor is the byte that a search finds.
// After what words of source code begin with as well, plain words are no token.
static const struct {
	const char *prefix;
	uint8_t anchor, ambiguous;
} tokens[] = {
	{"sk-", 2, 1}, {"sb-", 2, 1}, {"hf_", 2, 1}, {"npm_", 3, 1}, {"eyJ", 2, 1},
	{"sk_live_", 2, 0}, {"rk_live_", 2, 0}, {"sk_test_", 2, 0}, {"github_pat_", 6, 0}, {"glpat-", 5, 0},
	{"ghp_", 3, 0}, {"gho_", 3, 0}, {"ghu_", 3, 0}, {"ghs_", 3, 0}, {"ghr_", 3, 0},
	{"xoxb-", 4, 0}, {"xoxp-", 4, 0}, {"xoxa-", 4, 0}, {"xoxs-", 4, 0}, {"AKIA", 1, 0}, {"ASIA", 1, 0}, {"AIza", 2, 0},
};
enum { TOKENS = sizeof tokens / sizeof *tokens };

// Tokens by the byte at their anchor and the one before, from 1; 0 ends a list.
static uint8_t first_token[256], next_token[TOKENS + 1];

static inline uint8_t pair(uint8_t before, uint8_t c) { return (uint8_t)(before * 29 + c); }

static void init_tokens(void) {
	for (uint8_t k = TOKENS; k > 0; k--) {
		const char *p = tokens[k - 1].prefix + tokens[k - 1].anchor;
		uint8_t *first = &first_token[pair((uint8_t)p[-1], (uint8_t)p[0])];
		next_token[k] = *first;
		*first = k;
	}
}

// TOKEN_LEAST is how many bytes of a token have to follow its beginning.
enum { TOKEN_LEAST = 16 };

// tail looks at what follows a token's beginning: it must be long, and, unless
// mixed, hold a digit or a capital.
static struct found tail(const struct text *t, uint32_t start, uint32_t i, int mixed) {
	uint32_t end = i, least = i + TOKEN_LEAST < t->len ? i + TOKEN_LEAST : t->len;
	for (; end < least; end++) {
		uint8_t class = class_of[t->at[end]];
		if (!(class & TOKEN)) return nothing();
		mixed |= class & (DIGIT | UPPER);
	}
	if (end - i < TOKEN_LEAST) return t->final ? nothing() : unsure(start);
	if (!mixed) return nothing();
	while (is(t, end, TOKEN)) end++;
	struct found f = match(SECRET, start, end);
	if (open_at(t, end)) f.mode = IN_TOKEN;
	return f;
}

static struct found token(const struct text *t, uint32_t i) {
	for (uint8_t k = first_token[pair(t->at[i - 1], t->at[i])]; k; k = next_token[k]) {
		const char *p = tokens[k - 1].prefix;
		uint32_t anchor = tokens[k - 1].anchor, n = 0;
		if ((uint8_t)p[anchor] != t->at[i] || i < t->from + anchor) continue;
		uint32_t start = i - anchor;
		while (p[n] && start + n < t->len && (uint8_t)p[n] == t->at[start + n]) n++;
		if (!starts(t, start) || byte_before(t, start) == '_') continue;
		if (p[n] && open_at(t, start + n)) return unsure(start);
		if (p[n]) continue;
		struct found f = tail(t, start, start + n, !tokens[k - 1].ambiguous);
		if (f.what != NOTHING) return f;
	}
	return nothing();
}

// literal compares what is at i with s: 1 the same, 0 not, -1 the text ends too early.
static int literal(const struct text *t, uint32_t i, const char *s) {
	for (; *s; s++, i++) {
		if (i >= t->len) return t->final ? 0 : -1;
		if (t->at[i] != (uint8_t)*s) return 0;
	}
	return 1;
}

// private_key begins with -----BEGIN … PRIVATE KEY-----.
static struct found private_key(const struct text *t, uint32_t i) {
	int same = literal(t, i, "-----BEGIN ");
	if (same < 0) return unsure(i);
	if (!same) return nothing();
	for (uint32_t at = i + 11; at < i + 11 + 32; at++) {
		same = literal(t, at, "PRIVATE KEY");
		if (same < 0) return unsure(i);
		if (same) {
			struct found f = match(SECRET, i, at + 11);
			f.mode = IN_KEY;
			return f;
		}
		if (!is(t, at, UPPER) && t->at[at] != ' ') return nothing();
	}
	return nothing();
}

// look tells what is found around the byte at i, where skip has stopped.
static struct found look(const struct text *t, uint32_t i, uint32_t kinds) {
	uint8_t c = t->at[i];
	if (c == '@') return kinds & 1 << EMAIL ? email(t, i) : nothing();
	if (class_of[c] & DIGIT) return number(t, i, kinds);
	if (c == '+' || c == '(') {
		if (!is(t, i + 1, DIGIT) && !open_at(t, i + 1)) return nothing();
		if (!(kinds & 1 << PHONE) || !starts(t, i)) return nothing();
		return c == '+' ? international(t, i, i + 1) : grouped(t, i);
	}
	if (!(kinds & 1 << SECRET)) return nothing();
	if (i > t->from && first_token[pair(t->at[i - 1], c)]) {
		struct found f = token(t, i);
		if (f.what != NOTHING) return f;
	}
	if (c != '-' || byte_before(t, i) == '-' || (i + 1 < t->len && t->at[i + 1] != '-')) return nothing();
	return private_key(t, i);
}
