package signalbox.units.network_test

import data.signalbox.units.network

denied(layer, zones, tls) := found if {
	found := network.deny with input as {"principal": {"key_name": "dev"}, "net": {"zones": zones, "tls": tls}}
		with data.signalbox.access as {"default": {}, "keys": {"dev": layer}}
}

test_anywhere_without_rules if denied({}, [], false) == set()

test_inside_a_zone if denied({"zones": {"lab": true, "vpn": true}}, ["office", "vpn"], false) == set()

test_outside_all_zones if denied({"zones": {"vpn": true}}, ["office"], false) == {{"code": "network_not_allowed"}}

test_empty_zones_allow_nowhere if denied({"zones": {}}, ["office"], true) == {{"code": "network_not_allowed"}}

test_blocked_zone if {
	denied({"blocked_zones": {"guest": true}}, ["guest", "office"], true) == {{"code": "network_blocked"}}
	denied({"blocked_zones": {"guest": true}}, ["office"], true) == set()
}

test_plain_http_where_tls_is_required if denied({"tls": true}, [], false) == {{"code": "tls_required"}}

test_tls_where_it_is_required if denied({"tls": true}, [], true) == set()

test_plain_http_where_tls_is_not_required if denied({"tls": false}, [], false) == set()
