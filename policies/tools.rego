# METADATA
# description: Which tools a request may declare.
# schemas:
#   - input: schema.input
package signalbox.units.tools

import data.signalbox.lib.access
import data.signalbox.lib.names

deny contains {"code": "tool_not_allowed", "v": tool} if {
	some layer in access.layers
	list := layer.tools
	some tool in input.request.tools
	not names.listed(list, tool)
}

deny contains {"code": "tool_blocked", "v": tool} if {
	some layer in access.layers
	some tool in input.request.tools
	names.listed(layer.blocked_tools, tool)
}
