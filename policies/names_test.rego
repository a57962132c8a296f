package signalbox.lib.names_test

import data.signalbox.lib.names

test_as_it_stands if names.listed({"a[1]": true}, "a[1]")

test_glob if {
	names.listed({"openai/*": true}, "openai/gpt-4o")
	not names.listed({"openai/*": true}, "anthropic/opus")
}

test_star_stops_at_a_slash if {
	not names.listed({"openrouter/*": true}, "openrouter/meta/llama")
	names.listed({"openrouter/**": true}, "openrouter/meta/llama")
}

test_false_is_not_listed if {
	not names.listed({"openai/*": false}, "openai/gpt-4o")
	not names.listed({"openai/*": true, "openai/gpt-4o": false}, "openai/gpt-4o")
}

test_nothing_is_in_an_empty_list if {
	not names.listed({}, "a")
	not names.any_of({}, ["a"])
}

test_any_of_several if {
	names.any_of({"b": true}, ["a", "b"])
	not names.any_of({"b": false}, ["a", "b"])
	not names.any_of({"b": true}, [])
}
