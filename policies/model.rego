# METADATA
# description: Which models a caller may ask for, what they may be given and make, and which targets may serve them.
# schemas:
#   - input: schema.input
package signalbox.units.model

import data.signalbox.lib.access
import data.signalbox.lib.models
import data.signalbox.lib.names

deny contains {"code": "model_not_allowed", "v": input.request.model} if {
	some layer in access.layers
	list := layer.models
	not names.listed(list, input.request.model)
}

deny contains {"code": "model_blocked", "v": input.request.model} if {
	some layer in access.layers
	names.listed(layer.blocked_models, input.request.model)
}

deny contains {"code": "model_not_listed", "v": input.request.model} if {
	not tool
	some layer in access.layers
	layer.listed_only
	count(models.asked) == 0
}

deny contains {"code": "model_too_dear", "v": input.request.model} if {
	not tool
	some layer in access.layers
	count(affordable(layer.max_price)) == 0
}

deny contains {"code": "input_modality_not_allowed", "v": modality} if {
	some layer in access.layers
	list := layer.modalities["in"]
	some modality in input.request.modalities["in"]
	not list[modality]
}

deny contains {"code": "output_modality_not_allowed", "v": modality} if {
	some layer in access.layers
	list := layer.modalities.out
	some modality in input.request.modalities.out
	not list[modality]
}

# What a tool costs is its server's to say, not the catalogue's.
tool if input.request.op == "tool"

# A target of unknown price is none that costs little.
affordable(most) := {target |
	some target in models.asked
	data.signalbox.catalogue.models[target].price.long_output <= most
}

eligible contains {target | some target, true in targets} if {
	some layer in access.layers
	targets := layer.targets
}

eligible contains affordable(layer.max_price) if some layer in access.layers

obligations["targets"] := intersection(eligible) if count(eligible) > 0
