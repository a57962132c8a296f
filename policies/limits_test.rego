package signalbox.units.limits_test

import data.signalbox.units.limits

caller := {"principal": {"team": "core", "key_name": "dev", "key_id": "k-1"}}

rules(all, team, key) := {"default": all, "teams": {"core": team}, "keys": {"dev": key}}

day(usd) := {"usd_nano": usd, "window": {"unit": "day"}}

limit(scope, usd) := {"scope": scope, "unit": "usd_nano", "window": {"unit": "day"}, "max": usd}

test_none_without_rules if {
	limits.obligations == {} with input as caller
		with data.signalbox.access as rules({}, {}, {})
}

test_least_cap_holds if {
	limits.obligations == {"max_tokens": 5} with input as caller
		with data.signalbox.access as rules({"max_tokens": 9}, {"max_tokens": 5}, {"max_tokens": 7})
}

test_spending_of_key_and_team if {
	limits.obligations == {"limits": {limit("key/k-1", 1), limit("team/core", 2), limit("key/k-1", 3)}} with input as caller
		with data.signalbox.access as rules({"limits": [day(1)]}, {"limits": [day(2)]}, {"limits": [day(3)]})
}
