package signalbox.units.network_test

import data.signalbox.units.network

from(zones, tls) := {"principal": {"team": "core", "key_name": "dev"}, "net": {"zones": zones, "tls": tls}}

rules(key) := {"default": {}, "teams": {}, "keys": {"dev": key}}

test_anywhere_without_rules if {
	network.deny == set() with input as from([], false)
		with data.signalbox.access as rules({})
}

test_inside_a_zone if {
	network.deny == set() with input as from(["office", "vpn"], false)
		with data.signalbox.access as rules({"zones": ["lab", "vpn"]})
}

test_outside_all_zones if {
	network.deny == {{"code": "network_not_allowed"}} with input as from(["office"], false)
		with data.signalbox.access as rules({"zones": ["vpn"]})
}

test_empty_zones_allow_nowhere if {
	network.deny == {{"code": "network_not_allowed"}} with input as from(["office"], true)
		with data.signalbox.access as rules({"zones": []})
}

test_plain_http_where_tls_is_required if {
	network.deny == {{"code": "tls_required"}} with input as from([], false)
		with data.signalbox.access as rules({"tls": true})
}

test_tls_where_it_is_required if {
	network.deny == set() with input as from([], true)
		with data.signalbox.access as rules({"tls": true})
}
