package signalbox.lib.access_test

import data.signalbox.lib.access

directory := {
	"default": {"tls": true},
	"teams": {"core": {"max_tokens": 10}},
	"keys": {"dev": {"max_tokens": 5}},
}

test_all_layers_of_a_known_caller if {
	layers := access.layers with data.signalbox.access as directory
		with input as {"principal": {"team": "core", "key_name": "dev"}}
	layers == {"default": {"tls": true}, "team": {"max_tokens": 10}, "key": {"max_tokens": 5}}
}

test_only_the_default_for_others if {
	layers := access.layers with data.signalbox.access as directory
		with input as {"principal": {"team": "", "key_name": "other"}}
	layers == {"default": {"tls": true}}
}
