# METADATA
# description: Where requests may be served, in regions that all layers list, the one of the data's class included.
# schemas:
#   - input: schema.input
package signalbox.units.residency

import data.signalbox.lib.access
import data.signalbox.lib.models

deny contains {"code": "data_class_unknown"} if input.request.data_class == "unknown"

deny contains {"code": "data_class_required"} if {
	input.request.data_class == ""
	some layer in access.layers
	layer.needs_class
}

deny contains {"code": "region_not_allowed", "v": input.request.model} if {
	count(regions) > 0
	count(within) == 0
}

regions contains layer.regions if some layer in access.layers

# A target of unknown region is nowhere.
within contains target if {
	some target in models.asked
	region := data.signalbox.catalogue.models[target].region
	every list in regions {
		list[region]
	}
}

obligations["targets"] := within if count(regions) > 0
