package signalbox.lib.models_test

import data.signalbox.lib.models

catalogue := {"models": {"a/x": {}, "b/y": {}}, "aliases": {"fast": ["a/x", "b/y"]}}

asked(name) := found if {
	found := models.asked with input as {"request": {"model": name}}
		with data.signalbox.catalogue as catalogue
}

test_targets_of_an_alias if asked("fast") == {"a/x", "b/y"}

test_a_model_is_its_own_target if asked("a/x") == {"a/x"}

test_none_of_a_model_that_is_not_listed if asked("c/z") == set()
