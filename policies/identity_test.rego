package signalbox.units.identity_test

import data.signalbox.units.identity

caller(key_id, auth) := {"v": 1, "principal": {"key_id": key_id, "user": "", "auth": auth}}

person(user, auth) := {"v": 1, "principal": {"key_id": "", "user": user, "auth": auth}}

test_valid_key_is_permitted if {
	identity.permit with input as caller("k-1", "key")
}

test_no_key_is_not_permitted if {
	not identity.permit with input as caller("", "key")
}

test_valid_token_is_permitted if {
	identity.permit with input as person("u-1", "jwt")
}

test_token_of_nobody_is_not_permitted if {
	not identity.permit with input as person("", "jwt")
}

test_other_authentication_is_not_permitted if {
	not identity.permit with input as caller("k-1", "none")
	not identity.permit with input as person("u-1", "none")
}

test_unknown_input_version_is_not_permitted if {
	not identity.permit with input as object.union(caller("k-1", "key"), {"v": 2})
	not identity.permit with input as object.union(person("u-1", "jwt"), {"v": 2})
}

test_empty_input_is_not_permitted if {
	identity.permit == false with input as {}
}

denied(layer, roles) := found if {
	found := identity.deny with input as {"principal": {"roles": roles}}
		with data.signalbox.access as {"default": layer}
}

test_suspended if {
	denied({"suspended": true}, []) == {{"code": "access_suspended"}}
	denied({"suspended": false}, []) == set()
}

test_role_that_is_needed if {
	denied({"needs_role": {"admin": true}}, ["developer"]) == {{"code": "role_required"}}
	denied({"needs_role": {"admin": true, "lead": true}}, ["developer", "lead"]) == set()
	denied({"needs_role": {}}, ["admin"]) == {{"code": "role_required"}}
	denied({}, []) == set()
}
