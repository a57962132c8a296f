package signalbox.units.tools_test

import data.signalbox.units.tools

denied(layer, list) := found if {
	found := tools.deny with input as {"principal": {}, "request": {"tools": list}}
		with data.signalbox.access as {"default": layer}
}

test_any_tool_without_rules if denied({}, ["shell", "web"]) == set()

test_listed_tools if {
	denied({"tools": {"web*": true}}, []) == set()
	denied({"tools": {"web*": true}}, ["web", "web_search"]) == set()
	denied({"tools": {"web*": true}}, ["shell", "web"]) == {{"code": "tool_not_allowed", "v": "shell"}}
	denied({"tools": {}}, ["a", "b"]) == {{"code": "tool_not_allowed", "v": "a"}, {"code": "tool_not_allowed", "v": "b"}}
}

test_blocked_tools if {
	denied({"blocked_tools": {"shell": true}}, ["shell", "web"]) == {{"code": "tool_blocked", "v": "shell"}}
	denied({"blocked_tools": {"shell": true}}, ["web"]) == set()
}
