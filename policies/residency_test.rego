package signalbox.units.residency_test

import data.signalbox.units.residency

catalogue := {
	"models": {"a/eu": {"region": "eu"}, "a/us": {"region": "us"}, "a/where": {"region": ""}},
	"aliases": {"fast": ["a/eu", "a/us", "a/where"]},
}

classes := {"public": {"level": 0}, "personal": {"level": 2, "regions": {"eu": true}}}

denied(layer, name, class) := found if {
	found := residency.deny with input as {"principal": {}, "request": {"model": name, "data_class": class}}
		with data.signalbox.access as {"default": layer}
		with data.signalbox.classes as classes
		with data.signalbox.catalogue as catalogue
}

obliged(layer, name, class) := found if {
	found := residency.obligations with input as {"principal": {}, "request": {"model": name, "data_class": class}}
		with data.signalbox.access as {"default": layer}
		with data.signalbox.classes as classes
		with data.signalbox.catalogue as catalogue
}

test_anywhere_without_rules if {
	denied({}, "a/where", "") == set()
	denied({}, "not/listed", "") == set()
	obliged({}, "fast", "public") == {}
}

test_region_of_the_class if {
	obliged({}, "fast", "personal") == {"targets": {"a/eu"}}
	denied({}, "fast", "personal") == set()
	denied({}, "a/us", "personal") == {{"code": "region_not_allowed", "v": "a/us"}}
	denied({}, "a/where", "personal") == {{"code": "region_not_allowed", "v": "a/where"}}
	denied({}, "not/listed", "personal") == {{"code": "region_not_allowed", "v": "not/listed"}}
}

test_regions_of_all_layers if {
	obliged({"regions": {"eu": true, "us": true}}, "fast", "public") == {"targets": {"a/eu", "a/us"}}
	obliged({"regions": {"eu": true, "us": true}}, "fast", "personal") == {"targets": {"a/eu"}}
	obliged({"regions": {"us": true, "eu": false}}, "fast", "personal") == {"targets": set()}
	obliged({"regions": {}}, "fast", "") == {"targets": set()}
}

test_class_that_is_not_known if denied({}, "fast", "unknown") == {{"code": "data_class_unknown"}}

test_class_that_is_required if {
	denied({"needs_class": true}, "fast", "") == {{"code": "data_class_required"}}
	denied({"needs_class": true}, "fast", "public") == set()
	denied({"needs_class": false}, "fast", "") == set()
}
