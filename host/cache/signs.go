package cache

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMeant bounds the texts that are compared by meaning: of long ones a
// vector says little of what a single word turns about.
const maxMeant = 4 << 10

// Signs are those words of a text that turn its meaning about while its vector
// stays nearly as it is: numbers, negations, names, opposites, what is asked
// for, code, addresses, what is quoted, and the language. Behind opposites and
// directions the next word of weight counts as well: kilometres to miles are not
// miles to kilometres. Texts of different signs are never taken for one another. ok is false where a text is not one to
// be compared at all.
func Signs(text string) (signs []string, ok bool) {
	if text = strings.TrimSpace(text); text == "" || len(text) > maxMeant || !utf8.ValidString(text) {
		return nil, false
	}
	signs = append(signs, "language "+language(text))
	signs = appendQuoted(signs, text)
	first, turned := true, false // of a sentence; the word before turns about what follows
	for word := range strings.FieldsSeq(text) {
		sign := signOf(word, first)
		if plain := bare(word); turned && sign == "" && !small(plain) {
			sign = "then " + plain
		}
		if sign != "" {
			signs, turned = append(signs, sign), opposites[sign]
		}
		first = strings.ContainsAny(word[len(word)-1:], ".!?:") || strings.HasSuffix(word, "…")
	}
	return signs, true
}

// appendQuoted appends what stands in quotes or backticks.
func appendQuoted(signs []string, text string) []string {
	for _, mark := range [...]string{"`", `"`, "“”", "«»", "„“", "「」"} {
		open, size := utf8.DecodeRuneInString(mark)
		end := open
		if size < len(mark) {
			end, _ = utf8.DecodeRuneInString(mark[size:])
		}
		for rest := text; ; {
			i := strings.IndexRune(rest, open)
			if i < 0 {
				break
			}
			rest = rest[i+utf8.RuneLen(open):]
			j := strings.IndexRune(rest, end)
			if j < 0 {
				break
			}
			signs, rest = append(signs, "quote "+rest[:j]), rest[j+utf8.RuneLen(end):]
		}
	}
	return signs
}

// signOf is what a word says that a text of the same meaning says too, "" for
// most. Of the first of a sentence a capital says nothing.
func signOf(word string, first bool) string {
	plain := strings.TrimFunc(word, punctuation)
	lower := bare(word)
	switch {
	case plain == "":
		return ""
	case strings.ContainsFunc(plain, unicode.IsDigit), numbers[lower]:
		return "number " + lower
	case negations[lower], strings.HasSuffix(lower, "n't"), strings.HasPrefix(lower, "kein"):
		return "not"
	case isCode(plain):
		return "code " + plain
	case opposites[lower] || asking[lower]:
		return lower
	case strings.ContainsFunc(plain, dense):
		return "text " + plain // words are not told apart there
	}
	r, _ := utf8.DecodeRuneInString(plain)
	if unicode.IsUpper(r) && (!first || strings.ContainsFunc(plain[utf8.RuneLen(r):], unicode.IsUpper)) && lower != "i" && !strings.HasPrefix(lower, "i'") {
		return "name " + lower
	}
	return ""
}

func punctuation(r rune) bool { return strings.ContainsRune(`.,;:!?"'“”„«»()[]…`, r) }

// bare is a word in small letters, without what stands about it.
func bare(word string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimFunc(word, punctuation), "’", "'"))
}

// small reports whether a word is one of those that texts of a language are
// full of, and that say nothing by themselves.
func small(word string) bool {
	for _, of := range common {
		if of[word] {
			return true
		}
	}
	return word == "" || word == "a" || word == "an"
}

// isCode reports whether a word is of code, an address or a formula.
func isCode(word string) bool {
	if strings.ContainsAny(word, "_/\\=<>{}[]()#@$%^&*+~|") || strings.Contains(word, "::") || strings.Contains(word, "--") {
		return true
	}
	if dot := strings.IndexByte(word, '.'); dot > 0 && dot < len(word)-1 {
		return true
	}
	return strings.HasPrefix(word, "-") && len(word) > 1
}

// dense reports whether r is of a script that writes no spaces between words.
func dense(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

var (
	negations = set(`not no never none nobody nothing nowhere neither nor without cannot cant dont doesnt didnt isnt arent wont shouldnt
		except unless hardly barely avoid exclude excluding non nicht nie niemals niemand nichts ohne weder außer
		ne pas jamais sans aucun aucune rien ni nunca sin ningún ninguna nada jamás
		mai senza nessuno niente não nunca sem nenhum geen niet nooit zonder не нет ни без никогда нельзя`)
	numbers = set(`zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
		nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion half third quarter double triple
		once twice first second last dozen null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf hundert tausend
		deux trois quatre cinq sept huit neuf dix cent mille dos tres cuatro cinco seis siete ocho nueve diez cien mil
		january february march april may june july august september october november december
		monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday`)
	opposites = set(`before after increase decrease increasing decreasing more less most least max min maximum minimum maximise minimise
		maximize minimize up down on off enable disable enabled disabled start stop begin end open close buy sell above below over under
		with left right north south east west true false add remove insert delete create destroy allow deny grant revoke accept reject
		import export upload download encode decode encrypt decrypt push pull win lose love hate good bad best worst better worse
		advantages disadvantages advantage disadvantage pros cons benefits drawbacks risks cause effect causes effects
		larger smaller larger largest smallest bigger biggest longer shorter longest shortest higher lower highest lowest faster slower fastest
		slowest older younger oldest youngest newer newest early late earlier later ascending descending positive negative
		male female man woman boy girl men women husband wife mother father son daughter king queen hot cold hotter colder
		to from into than versus vs out in inside outside always sometimes often rarely all some any every each only same different equal similar
		synonym antonym synonyms antonyms active passive singular plural present past future formal informal public private
		install uninstall lock unlock connect disconnect subscribe unsubscribe mount unmount show hide expand collapse
		legal illegal possible impossible safe unsafe healthy unhealthy vor nach mehr weniger auf zu avant après plus moins antes después más menos`)
	asking = set(`who whom whose when where why how wer wann wo wohin woher warum wie qui quand où pourquoi comment quién cuándo dónde cómo
		summarise summarize translate explain list compare write rewrite shorten expand fix define describe count continue`)
	common = map[string]map[string]bool{
		"en": set("the of and is are was what which that this it for you my your do does can would should have has please i me"),
		"de": set("der die das und ist sind war was welche den dem ein eine für ich du mein dein kann bitte wie von mit nicht auf zu"),
		"fr": set("le la les des et est sont était quel quelle que un une pour je tu mon votre peut de du en dans avec sur ce"),
		"es": set("el los las y es son era qué cuál que un una para yo tú mi su puede de del en con por favor al lo"),
		"it": set("il gli e è sono era cosa quale che un una per io tu mio tuo può di del della in con"),
		"pt": set("o os as e é são era qual que um uma para eu você meu seu pode de do da em com por"),
		"nl": set("de het en is zijn was wat welke dat een voor ik je mijn kan van met op te"),
	}
)

// language is the script of a text's letters, and of Latin ones the language
// that most of its small words are of, as far as those tell.
func language(text string) string {
	scripts := map[string]int{}
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		for _, s := range [...]string{"Latin", "Cyrillic", "Han", "Hiragana", "Katakana", "Arabic", "Devanagari", "Hangul", "Greek", "Hebrew", "Thai"} {
			if unicode.Is(unicode.Scripts[s], r) {
				scripts[s]++
				break
			}
		}
	}
	script := most(scripts)
	if script != "Latin" {
		return script
	}
	words := map[string]int{}
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		for name, of := range common {
			if of[w] {
				words[name]++
			}
		}
	}
	return script + " " + most(words)
}

// most is the name that counts most, of several the first; "": none counts.
func most(counts map[string]int) (name string) {
	for n, count := range counts {
		if best := counts[name]; count > best || count == best && (name == "" || n < name) {
			name = n
		}
	}
	return name
}
