package signalbox.units.handling_test

import data.signalbox.units.handling

obliged(layer, class) := found if {
	found := handling.obligations with input as {"principal": {}, "request": {"data_class": "personal"}}
		with data.signalbox.access as {"default": layer}
		with data.signalbox.classes as {"personal": class}
}

test_nothing_without_rules if obliged({}, {}) == {}

test_filters_of_all_layers if {
	obliged({"filters": {"pii": true, "off": false}}, {"filters": {"secrets": true}}) == {"filters": {"pii", "secrets"}}
}

test_most_private_log if {
	obliged({"log": "full"}, {"log": "metadata"}) == {"log": "metadata"}
	obliged({"log": "none"}, {"log": "metadata"}) == {"log": "none"}
	obliged({"log": "full"}, {}) == {"log": "full"}
}

test_cache if {
	obliged({"cache": "deny"}, {"cache": "allow"}) == {"cache": "deny"}
	obliged({"cache": "allow"}, {}) == {}
}
