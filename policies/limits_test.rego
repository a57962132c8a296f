package signalbox.units.limits_test

import data.signalbox.units.limits

caller := {
	"key_name": "dev", "key_id": "k-1", "user": "u-1", "team": "core", "project": "p-1", "org": "acme", "env": "prod",
	"roles": ["guest"],
}

obliged(access, principal) := found if {
	found := limits.obligations with input as {"principal": principal, "request": {"data_class": ""}}
		with data.signalbox.access as access
}

day := {"unit": "day"}

minute := {"unit": "minute"}

usd(n) := {"limits": {"spending": {"usd_nano": n, "window": day}}}

budget(scope, n) := {"scope": scope, "unit": "usd_nano", "window": day, "max": n, "on_exceed": "deny"}

test_none_without_rules if obliged({"default": {}}, caller) == {}

test_least_cap_holds if {
	obliged({"default": {"max_tokens": 9}, "teams": {"core": {"max_tokens": 5}}, "keys": {"dev": {"max_tokens": 7}}}, caller) == {"max_tokens": 5}
}

test_each_layer_has_its_own_counter if {
	obliged(
		{
			"default": usd(1), "orgs": {"acme": usd(2)}, "projects": {"p-1": usd(3)}, "teams": {"core": usd(4)},
			"roles": {"guest": usd(5)}, "envs": {"prod": usd(6)}, "keys": {"dev": usd(7)},
		},
		caller,
	) == {"limits": {
		budget("key/k-1", 1), budget("org/acme", 2), budget("project/p-1", 3), budget("team/core", 4),
		budget("key/k-1", 5), budget("env/prod", 6), budget("key/k-1", 7),
	}}
}

test_class_counts_by_key if {
	found := limits.obligations with input as object.union({"principal": caller}, {"request": {"data_class": "personal"}})
		with data.signalbox.access as {"default": {}}
		with data.signalbox.classes as {"personal": usd(8)}
	found == {"limits": {budget("key/k-1", 8)}}
}

test_each_user_of_a_team if {
	access := {"default": {}, "teams": {"core": {"limits": {"a": {"usd_nano": 4, "window": day, "each": "user"}}}}}
	obliged(access, caller) == {"limits": {budget("user/u-1", 4)}}
	obliged(access, object.union(caller, {"user": ""})) == {"limits": {budget("key/k-1", 4)}}
}

test_caller_with_neither_team_nor_key if {
	access := {"default": {"limits": {"a": {"usd_nano": 4, "window": day, "each": "team"}}}}
	obliged(access, object.union(caller, {"team": "", "key_id": ""})) == {"limits": {budget("user/u-1", 4)}}
}

test_scopes if {
	access := {"default": {"limits": {kind: {"usd_nano": 1, "window": day, "each": kind} | some kind in ["key", "user", "project", "team", "org", "env"]}}}
	obliged(access, caller) == {"limits": {
		budget("key/k-1", 1), budget("user/u-1", 1), budget("project/p-1", 1),
		budget("team/core", 1), budget("org/acme", 1), budget("env/prod", 1),
	}}
}

test_budgets if {
	week := {"unit": "day", "size": 7, "rolling": true}
	access := {"default": {"limits": {
		"tokens": {"tokens": 0, "window": week, "on_exceed": "clamp"},
		"requests": {"requests": 9, "window": day, "on_exceed": "warn"},
	}}}
	obliged(access, caller) == {"limits": {
		{"scope": "key/k-1", "unit": "tokens", "window": week, "max": 0, "on_exceed": "clamp"},
		{"scope": "key/k-1", "unit": "requests", "window": day, "max": 9, "on_exceed": "warn"},
	}}
}

test_rates if {
	access := {"default": {"limits": {
		"rpm": {"requests": 60, "per": minute},
		"tpm": {"tokens": 1000, "per": minute},
		"at_once": {"concurrent": 4},
	}}}
	obliged(access, caller) == {"limits": {
		{"scope": "key/k-1", "unit": "requests", "window": minute, "max": 60, "rate": true, "on_exceed": "deny"},
		{"scope": "key/k-1", "unit": "tokens", "window": minute, "max": 1000, "rate": true, "on_exceed": "deny"},
		{"scope": "key/k-1", "unit": "concurrent", "max": 4, "on_exceed": "deny"},
	}}
}
