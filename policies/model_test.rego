package signalbox.units.model_test

import data.signalbox.units.model

ask(name) := {"principal": {"team": "core", "key_name": "dev"}, "request": {"model": name}}

with_layers(all, team, key) := {"default": all, "teams": {"core": team}, "keys": {"dev": key}}

codes(found) := {d.code | some d in found}

test_any_model_without_lists if {
	count(model.deny) == 0 with input as ask("openai/gpt-4o")
		with data.signalbox.access as with_layers({}, {}, {})
}

test_listed_model if {
	count(model.deny) == 0 with input as ask("openai/gpt-4o")
		with data.signalbox.access as with_layers({}, {"models": ["fast", "openai/*"]}, {})
}

test_model_that_is_not_listed if {
	model.deny == {{"code": "model_not_allowed", "v": "anthropic/opus"}} with input as ask("anthropic/opus")
		with data.signalbox.access as with_layers({}, {"models": ["openai/*"]}, {})
}

test_empty_list_allows_nothing if {
	codes(model.deny) == {"model_not_allowed"} with input as ask("fast")
		with data.signalbox.access as with_layers({}, {}, {"models": []})
}

test_star_stops_at_a_slash if {
	codes(model.deny) == {"model_not_allowed"} with input as ask("openrouter/meta/llama")
		with data.signalbox.access as with_layers({"models": ["openrouter/*"]}, {}, {})
	count(model.deny) == 0 with input as ask("openrouter/meta/llama")
		with data.signalbox.access as with_layers({"models": ["openrouter/**"]}, {}, {})
}

test_a_key_cannot_loosen_its_team if {
	codes(model.deny) == {"model_not_allowed"} with input as ask("anthropic/opus")
		with data.signalbox.access as with_layers({}, {"models": ["openai/*"]}, {"models": ["**"]})
}

test_no_targets_without_lists if {
	model.obligations == {} with input as ask("fast")
		with data.signalbox.access as with_layers({}, {}, {})
}

test_targets_are_those_of_all_layers if {
	model.obligations == {"targets": {"a/x"}} with input as ask("fast")
		with data.signalbox.access as with_layers({}, {"targets": ["a/x", "b/y"]}, {"targets": ["a/x", "c/z"]})
}

test_empty_targets_leave_none if {
	model.obligations == {"targets": set()} with input as ask("fast")
		with data.signalbox.access as with_layers({"targets": []}, {}, {})
}
