package signalbox.units.identity_test

import data.signalbox.units.identity

caller(key_id, auth) := {"v": 1, "principal": {"key_id": key_id, "auth": auth}}

test_valid_key_is_permitted if {
	identity.permit with input as caller("k-1", "key")
}

test_no_key_is_not_permitted if {
	not identity.permit with input as caller("", "key")
}

test_other_authentication_is_not_permitted if {
	not identity.permit with input as caller("k-1", "none")
}

test_unknown_input_version_is_not_permitted if {
	not identity.permit with input as object.union(caller("k-1", "key"), {"v": 2})
}

test_empty_input_is_not_permitted if {
	identity.permit == false with input as {}
}
