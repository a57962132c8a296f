package cache

import (
	"slices"
	"strings"
	"testing"
)

// alike tests whether texts are taken for one another, as their signs are.
func alike(t *testing.T) func(want bool, a, b string) {
	return func(want bool, a, b string) {
		t.Helper()
		x, ok := Signs(a)
		y, too := Signs(b)
		if !ok || !too || slices.Equal(x, y) != want {
			t.Errorf("%q is %q (%t), %q is %q (%t); want them alike: %t", a, x, ok, b, y, too, want)
		}
	}
}

// TestNearMisses: what vectors hardly tell apart, though the answers differ.
func TestNearMisses(t *testing.T) {
	f := alike(t)
	f(false, "What is 17 plus 4?", "What is 17 plus 5?")
	f(false, "Convert 5 miles to 10 furlongs", "Convert 10 miles to 5 furlongs")
	f(false, "The dose is 0.5 mg, right?", "The dose is 5 mg, right?")
	f(false, "Give me two examples of a fable", "Give me three examples of a fable")
	f(false, "Is it safe to take aspirin with alcohol?", "Is it not safe to take aspirin with alcohol?")
	f(false, "Is aspirin safe?", "Isn't aspirin safe?")
	f(false, "Why doesn’t the build pass?", "Why does the build pass?")
	f(false, "Which foods contain gluten?", "Which foods never contain gluten?")
	f(false, "recipe with nuts please", "recipe without nuts please")
	f(false, "What is the capital of France?", "What is the capital of Spain?")
	f(false, "Who beat whom: did Alice beat Bob?", "Who beat whom: did Bob beat Alice?")
	f(false, "When was the bridge built?", "Where was the bridge built?")
	f(false, "How do I enable the firewall?", "How do I disable the firewall?")
	f(false, "Should I eat before training?", "Should I eat after training?")
	f(false, "translate this from the first to the second tongue", "translate this to the first from the second tongue")
	f(false, "What are the advantages of nuclear power?", "What are the disadvantages of nuclear power?")
	f(false, "sort the list ascending", "sort the list descending")
	f(false, "explain os.path.join", "explain os.path.split")
	f(false, "what does --force do", "what does --dry-run do")
	f(false, "how do I log in", "how do I log out")
	f(false, "fetch https://a.example/x", "fetch https://a.example/y")
	f(false, "what is `foo`", "what is `bar`")
	f(false, `define "set"`, `define "bag"`)
	f(false, "Was ist die Hauptstadt?", "What is the capital?")
	f(false, "Quelle est la capitale?", "Wie heißt die Hauptstadt?")
	f(false, "Ist das erlaubt?", "Ist das nicht erlaubt?")
	f(false, "法国的首都是哪里", "德国的首都是哪里")
	f(false, "что это такое", "что это не такое")
	f(false, "Summarise the text above", "Translate the text above")
	f(false, "meet me on Monday", "meet me on Tuesday")
	f(false, "convert 5 kilometres to miles", "convert 5 miles to kilometres")
	f(false, "are cats bigger than dogs", "are dogs bigger than cats")
	f(false, "show me the way from the station to the harbour", "show me the way from the harbour to the station")
	f(false, "wie komme ich nach oben, vor dem Essen", "wie komme ich nach dem Essen, vor oben")
	f(false, "delete the old rows after the new ones", "delete the new rows after the old ones")
}

// TestSameMeanings: what may be told apart by vectors alone.
func TestSameMeanings(t *testing.T) {
	f := alike(t)
	f(true, "What is the capital of France?", "What's the capital city of France, please?")
	f(true, "How can I reset my password?", "how do I reset the password")
	f(true, "Tell me a joke about cats", "tell me a joke about cats!")
	f(true, "I can't find the login page.", "the login page: I don't see it.")
	f(true, "how do I log in to my account", "how do I log in to the account please")
	f(true, "Please explain recursion", "explain what recursion is")
}

func TestTextsThatAreNotCompared(t *testing.T) {
	for _, text := range []string{"", " \n", "\xff", strings.Repeat("word ", 1000)} {
		if s, ok := Signs(text); ok {
			t.Errorf("%.20q is compared by %q", text, s)
		}
	}
}

func FuzzSigns(f *testing.F) {
	f.Add("What is 17 plus `4`? Isn't it “so”…")
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := Signs(text)
		b, again := Signs(" " + text + "\n")
		if ok && len(text)+2 <= maxMeant && (ok != again || !slices.Equal(a, b)) {
			t.Errorf("%q: %q and %q", text, a, b)
		}
	})
}
