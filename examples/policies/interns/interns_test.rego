package signalbox.units.interns_test

import data.signalbox.units.interns

asked(roles, model) := {"principal": {"key_id": "k", "roles": roles}, "request": {"model": model}}

test_interns_ask_the_parrot if {
	count(interns.deny) == 0 with input as asked(["intern"], "parrot/green")
	interns.obligations.max_tokens == 256 with input as asked(["intern"], "parrot/green")
}

test_interns_ask_nothing_else if {
	interns.deny == {{"code": "not_for_interns", "v": "demo/echo"}} with input as asked(["intern"], "demo/echo")
}

test_others_ask_what_they_like if {
	count(interns.deny) == 0 with input as asked([], "demo/echo")
	not interns.obligations.max_tokens with input as asked([], "demo/echo")
}
