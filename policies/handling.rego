# METADATA
# description: Which filters must run, and what may be written down and answered from memory.
# schemas:
#   - input: schema.input
package signalbox.units.handling

import data.signalbox.lib.access

filters contains name if {
	some layer in access.layers
	some name, true in layer.filters
}

obligations["filters"] := filters if count(filters) > 0

logs contains layer.log if some layer in access.layers

obligations["log"] := [level | some level in ["none", "metadata", "full"]; logs[level]][0]

obligations["cache"] := "deny" if {
	some layer in access.layers
	layer.cache == "deny"
}
