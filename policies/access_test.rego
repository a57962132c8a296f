package signalbox.lib.access_test

import data.signalbox.lib.access

directory := {
	"default": {"tls": true},
	"orgs": {"acme": {"max_tokens": 60}},
	"projects": {"p-1": {"max_tokens": 50}},
	"teams": {"core": {"max_tokens": 40}},
	"roles": {"admin": {"max_tokens": 30}, "developer": {"max_tokens": 20}, "guest": {"max_tokens": 1}},
	"envs": {"prod": {"max_tokens": 10}},
	"keys": {"dev": {"max_tokens": 5}},
}

of(principal, class) := layers if {
	layers := access.layers with input as {"principal": principal, "request": {"data_class": class}}
		with data.signalbox.access as directory
		with data.signalbox.classes as {"personal": {"level": 2}}
}

nobody := {"org": "", "project": "", "team": "", "roles": [], "env": "", "key_name": "other"}

test_all_layers_of_a_known_caller if {
	of(
		{"org": "acme", "project": "p-1", "team": "core", "roles": ["admin", "developer"], "env": "prod", "key_name": "dev"},
		"personal",
	) == {
		{"tls": true}, {"max_tokens": 60}, {"max_tokens": 50}, {"max_tokens": 40}, {"max_tokens": 30},
		{"max_tokens": 20}, {"max_tokens": 10}, {"max_tokens": 5}, {"level": 2},
	}
}

test_only_the_default_for_others if of(nobody, "") == {{"tls": true}}
