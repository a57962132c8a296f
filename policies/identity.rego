# METADATA
# description: Who may use the gateway at all, and what its layers ask of a caller.
# schemas:
#   - input: schema.input
package signalbox.units.identity

import data.signalbox.lib.access
import data.signalbox.lib.names

default permit := false

permit if {
	input.v == 1
	input.principal.auth == "key"
	input.principal.key_id != ""
}

permit if {
	input.v == 1
	input.principal.auth == "jwt"
	input.principal.user != ""
}

deny contains {"code": "access_suspended"} if {
	some layer in access.layers
	layer.suspended
}

deny contains {"code": "role_required"} if {
	some layer in access.layers
	roles := layer.needs_role
	not names.any_of(roles, input.principal.roles)
}
