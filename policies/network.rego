# Where requests may come from. The host matches the address with the zones, so
# that a new address costs no evaluation.
package signalbox.units.network

import data.signalbox.lib.access

deny contains {"code": "network_not_allowed"} if {
	some layer in access.layers
	zones := layer.zones
	not inside(zones)
}

deny contains {"code": "tls_required"} if {
	some layer in access.layers
	layer.tls
	not input.net.tls
}

inside(zones) if {
	some zone in zones
	zone in input.net.zones
}
