# Interns ask the parrot alone, and get short answers.
package signalbox.units.interns

default permit := false

permit if input.principal.key_id != ""

intern if "intern" in input.principal.roles

deny contains {"code": "not_for_interns", "v": input.request.model} if {
	intern
	not startswith(input.request.model, "parrot/")
}

obligations["max_tokens"] := 256 if intern
