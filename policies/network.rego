# METADATA
# description: |
#   Where requests may come from. The host matches the address with the zones, so
#   that a new address costs no evaluation.
# schemas:
#   - input: schema.input
package signalbox.units.network

import data.signalbox.lib.access
import data.signalbox.lib.names

deny contains {"code": "network_not_allowed"} if {
	some layer in access.layers
	zones := layer.zones
	not names.any_of(zones, input.net.zones)
}

deny contains {"code": "network_blocked"} if {
	some layer in access.layers
	names.any_of(layer.blocked_zones, input.net.zones)
}

deny contains {"code": "tls_required"} if {
	input.net.tls == false
	some layer in access.layers
	layer.tls
}
