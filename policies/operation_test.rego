package signalbox.units.operation_test

import data.signalbox.units.operation

denied(layer, request) := found if {
	found := operation.deny with input as {"principal": {}, "request": object.union(plain, request)}
		with data.signalbox.access as {"default": layer}
}

plain := {"op": "chat", "method": "POST", "path": "", "input_size": "1k", "priority": "normal"}

test_anything_without_rules if denied({}, {"path": "/x", "priority": "high", "input_size": "max"}) == set()

test_operations if {
	denied({"ops": {"chat": true}}, {}) == set()
	denied({"ops": {"chat": true}}, {"op": "images"}) == {{"code": "operation_not_allowed", "v": "images"}}
	denied({"ops": {"chat": false}}, {}) == {{"code": "operation_not_allowed", "v": "chat"}}
	denied({"ops": {}}, {}) == {{"code": "operation_not_allowed", "v": "chat"}}
}

test_paths if {
	layer := {"paths": {"GET /**": true}}
	denied(layer, {}) == set()
	denied(layer, {"method": "GET", "path": "/file-1/content"}) == set()
	denied(layer, {"method": "DELETE", "path": "/file-1"}) == {{"code": "path_not_allowed", "v": "DELETE /file-1"}}
}

test_priority if {
	denied({"high_priority": false}, {"priority": "high"}) == {{"code": "priority_not_allowed"}}
	denied({"high_priority": false}, {"priority": "low"}) == set()
	denied({"high_priority": true}, {"priority": "high"}) == set()
}

test_size if {
	denied({"max_input": "64k"}, {"input_size": "64k"}) == set()
	denied({"max_input": "64k"}, {"input_size": "128k"}) == {{"code": "input_too_large", "v": "64k"}}
	denied({"max_input": "64m"}, {"input_size": "max"}) == {{"code": "input_too_large", "v": "64m"}}
	denied({"max_input": "huge"}, {"input_size": "1k"}) == {{"code": "input_too_large", "v": "huge"}}
}
