package feature

import "strings"

// The words that are told apart. English comes first; of German, French,
// Spanish, Portuguese, Italian, Russian, Chinese and Japanese there are the most
// common verbs alone. Words that can be either are left out.
const (
	hardWords = `
prove proof proofs derive derivation deduce infer induction theorem lemma corollary axiom counterexample rigorous rigorously formally
why reason reasoning justify argue critique evaluate assess analyze analyse analysis compare contrast weigh tradeoff tradeoffs
optimize optimise optimal optimum minimize minimise maximize maximise constraint constraints feasible solve solution equation equations
integral integrate differentiate derivative eigenvalue eigenvalues matrix probability expected variance bayesian posterior regression
statistical hypothesis asymptotic convergence converge bound bounds complexity algorithm algorithms recursive recursion invariant
implement refactor debug diagnose deadlock race concurrent concurrency distributed consistency consensus scalable scale architecture
architect design protocol concurrently throughput latency vulnerability vulnerabilities exploit threat migrate migration
strategy strategic plan roadmap prioritize schedule negotiate forecast simulate model estimate calculate compute quantify
liability statute jurisdiction precedent clause enforceable regulatory compliance prognosis differential contraindications
valuation hedge portfolio arbitrage causal causality implications consequences paradox contradiction fallacy ethical
beweise beweisen herleiten begründe begründen warum wieso optimiere vergleiche analysiere entwirf entwickle löse
prouve prouver démontre démontrer déduis pourquoi analysez comparez conçois résous justifie
demuestra demostrar analiza compara optimiza diseña resuelve justifica
demonstre analise otimize projete resolva dimostra dimostrare perché analizza confronta ottimizza progetta risolvi
докажи докажите выведи почему проанализируй сравни оптимизируй реши обоснуй
证明 推导 为什 优化 分析 设计 比较 求解 証明 導出 なぜ 最適 比較`

	easyWords = `
hello hi hey thanks thank please welcome bye goodbye congratulations birthday
translate translation translated summarize summarise summary tldr shorten paraphrase rephrase reword rewrite proofread
spell spelling grammar punctuation typo typos capitalize lowercase uppercase format reformat convert alphabetical alphabetically sort
list name names define definition meaning synonym synonyms antonym rhyme rhymes capital extract classify categorize label tag
sentiment keywords title headline caption slogan tweet hashtag hashtags subject joke riddle trivia quote fact weather recipe
remind reminder greeting invitation email letter note date dates phone address
übersetze übersetzen fasse zusammenfassung liste hallo danke bitte nenne schreibe
traduis traduire traduisez résume résumer résumez bonjour merci salut
traduce traducir resume resumir hola gracias lista escribe
traduza traduzir resuma olá obrigado traduci riassumi ciao grazie elenca
переведи переведите привет спасибо назови перечисли
翻译 总结 你好 谢谢 列出 翻訳 要約`
)

// What a word asks for.
const (
	hard = 1 + iota
	easy
)

// tableSize is a power of two several times the number of words.
const tableSize = 2048

type slot struct {
	hash uint64
	kind uint8
}

var table = func() (t [tableSize]slot) {
	for kind, words := range map[uint8]string{hard: hardWords, easy: easyWords} {
		for _, w := range strings.Fields(words) {
			h := hashStart
			for _, r := range w {
				h = hashed(h, r)
			}
			at := h >> 32 % tableSize
			for t[at].kind != 0 && t[at].hash != h {
				at = (at + 1) % tableSize
			}
			t[at] = slot{h, kind}
		}
	}
	return t
}()

// lookup returns what a word asks for, 0: nothing that is known.
func lookup(h uint64) uint8 {
	for at := h >> 32 % tableSize; ; at = (at + 1) % tableSize {
		if s := &table[at]; s.kind == 0 || s.hash == h {
			return s.kind
		}
	}
}

const hashStart uint64 = 0xcbf29ce484222325

// hashed is FNV-1a over characters.
func hashed(h uint64, r rune) uint64 { return (h ^ uint64(r)) * 0x100000001b3 }

// lower folds the capitals of Latin-1 and Cyrillic; others are rarely first.
func lower(r rune) rune {
	switch {
	case r >= 'À' && r <= 'Þ', r >= 'А' && r <= 'Я':
		return r + 0x20
	}
	return r
}
