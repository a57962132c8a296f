// Mask hides numbers: of five digits and more in a row it shows the last four.
// It is ../main.go in C.
#include "signalbox.h"
#include <wasm_simd128.h>

#define SHOWN 4

static int is_digit(unsigned char c) { return (unsigned char)(c - '0') <= 9; }

// plain returns where text goes on behind stretches of 16 bytes without a digit.
static uint32_t plain(sb_slice text, uint32_t i) {
	for (; i + 16 <= text.len; i += 16) {
		v128_t digits = wasm_u8x16_lt(wasm_i8x16_sub(wasm_v128_load(text.at + i), wasm_i8x16_splat('0')), wasm_i8x16_splat(10));
		if (wasm_v128_any_true(digits)) break;
	}
	return i;
}

static void mask(const sb_window *w, sb_judge *v) {
	const sb_slice text = sb_window_text(w);
	uint32_t done = 0, end = text.len, found = 0; // written so far, to be settled, hidden
	for (uint32_t i = plain(text, 0); i < text.len;) {
		if (!is_digit(text.at[i])) {
			i++;
			continue;
		}
		uint32_t from = i;
		while (i < text.len && is_digit(text.at[i])) i++;
		if (i == text.len && !sb_window_final(w)) // more digits may follow: the last four wait for them
			end = i - from > SHOWN ? i - SHOWN : from;
		if (i - from > SHOWN) {
			uint32_t hidden = i - from - SHOWN;
			sb_write(v, text.at + done, from - done);
			sb_fill(v, '*', hidden);
			found += hidden;
			done = from + hidden;
		}
		i = plain(text, i);
	}
	v->head.findings = found;
	if (found > 0) {
		sb_write(v, text.at + done, end - done);
		sb_explain(v, SB_LITERAL("digits hidden"));
		sb_replace(v, end);
	} else if (end == 0 && text.len > 0) {
		sb_more(v);
	} else {
		sb_pass(v, end);
	}
}

SB_FILTER(mask)
