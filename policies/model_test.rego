package signalbox.units.model_test

import data.signalbox.units.model

catalogue := {
	"models": {
		"openai/gpt-4o": {"price": {"long_output": 10}},
		"openai/mini": {"price": {"long_output": 1}},
		"local/llama": {},
	},
	"aliases": {"fast": ["local/llama", "openai/gpt-4o", "openai/mini"], "own": ["local/llama"]},
}

ask(name, into, out) := {
	"principal": {"team": "core", "key_name": "dev"},
	"request": {"model": name, "modalities": {"in": into, "out": out}},
}

denied(team, key, request) := found if {
	found := model.deny with input as request
		with data.signalbox.access as {"default": {}, "teams": {"core": team}, "keys": {"dev": key}}
		with data.signalbox.catalogue as catalogue
}

obliged(team, key, name) := found if {
	found := model.obligations with input as ask(name, ["text"], ["text"])
		with data.signalbox.access as {"default": {}, "teams": {"core": team}, "keys": {"dev": key}}
		with data.signalbox.catalogue as catalogue
}

text(name) := ask(name, ["text"], ["text"])

refused(code, name) := {{"code": code, "v": name}}

test_any_model_without_rules if denied({}, {}, ask("anthropic/opus", ["image"], ["audio"])) == set()

test_listed_model if denied({}, {"models": {"fast": true, "openai/*": true}}, text("openai/gpt-4o")) == set()

test_model_that_is_not_listed if {
	denied({}, {"models": {"openai/*": true}}, text("a/b")) == refused("model_not_allowed", "a/b")
}

test_empty_list_allows_nothing if denied({}, {"models": {}}, text("fast")) == refused("model_not_allowed", "fast")

test_a_key_cannot_loosen_its_team if {
	denied({"models": {"openai/*": true}}, {"models": {"**": true}}, text("a/b")) == refused("model_not_allowed", "a/b")
}

test_blocked_model if {
	denied({"blocked_models": {"openai/*": true}}, {}, text("openai/mini")) == refused("model_blocked", "openai/mini")
	denied({"blocked_models": {"openai/*": true}}, {}, text("a/b")) == set()
}

test_listed_only if {
	denied({"listed_only": true}, {}, text("a/b")) == refused("model_not_listed", "a/b")
	denied({"listed_only": true}, {}, text("fast")) == set()
	denied({"listed_only": true}, {}, text("openai/mini")) == set()
	denied({"listed_only": false}, {}, text("a/b")) == set()
}

test_price if {
	denied({"max_price": 5}, {}, text("openai/gpt-4o")) == refused("model_too_dear", "openai/gpt-4o")
	denied({"max_price": 5}, {}, text("own")) == refused("model_too_dear", "own")
	denied({"max_price": 5}, {}, text("a/b")) == refused("model_too_dear", "a/b")
	denied({"max_price": 5}, {}, text("fast")) == set()
	obliged({"max_price": 5}, {}, "fast") == {"targets": {"openai/mini"}}
	obliged({"max_price": 10}, {}, "fast") == {"targets": {"openai/gpt-4o", "openai/mini"}}
}

test_tools_are_not_in_the_catalogue if {
	call := object.union(ask("mcp/files/read", [], []), {"request": {"op": "tool"}})
	denied({"listed_only": true, "max_price": 5}, {}, call) == set()
	denied({"models": {"fast": true}}, {}, call) == refused("model_not_allowed", "mcp/files/read")
	denied({"models": {"mcp/files/*": true}}, {}, call) == set()
}

test_modalities if {
	layer := {"modalities": {"in": {"text": true}, "out": {"text": true, "audio": false}}}
	denied(layer, {}, text("fast")) == set()
	denied(layer, {}, ask("fast", ["image", "text"], ["text"])) == refused("input_modality_not_allowed", "image")
	denied(layer, {}, ask("fast", ["text"], ["audio"])) == refused("output_modality_not_allowed", "audio")
}

test_no_targets_without_rules if obliged({}, {}, "fast") == {}

test_targets_are_those_of_all_layers if {
	obliged({"targets": {"a/x": true, "b/y": true}}, {"targets": {"a/x": true, "b/y": false, "c/z": true}}, "fast") == {"targets": {"a/x"}}
}

test_empty_targets_leave_none if obliged({"targets": {}}, {}, "fast") == {"targets": set()}
