# How large an answer may be, and what may be spent.
package signalbox.units.limits

import data.signalbox.lib.access

caps contains layer.max_tokens if some layer in access.layers

obligations["max_tokens"] := min(caps) if count(caps) > 0

scopes := {
	"default": concat("/", ["key", input.principal.key_id]),
	"team": concat("/", ["team", input.principal.team]),
	"key": concat("/", ["key", input.principal.key_id]),
}

spending contains {"scope": scopes[name], "unit": "usd_nano", "window": limit.window, "max": limit.usd_nano} if {
	some name, layer in access.layers
	some limit in layer.limits
}

obligations["limits"] := spending if count(spending) > 0
