# Who may use the gateway at all: whoever came with a valid virtual key.
package signalbox.units.identity

default permit := false

permit if {
	input.v == 1
	input.principal.auth == "key"
	input.principal.key_id != ""
}
