# Which models a caller may ask for, and which targets may serve them.
package signalbox.units.model

import data.signalbox.lib.access

deny contains {"code": "model_not_allowed", "v": input.request.model} if {
	some layer in access.layers
	patterns := layer.models
	not listed(patterns)
}

listed(patterns) if {
	some pattern in patterns
	glob.match(pattern, ["/"], input.request.model)
}

eligible contains {target | some target in targets} if {
	some layer in access.layers
	targets := layer.targets
}

obligations["targets"] := intersection(eligible) if count(eligible) > 0
