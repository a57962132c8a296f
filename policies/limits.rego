# METADATA
# description: How large an answer may be, what may be spent and how fast.
# schemas:
#   - input: schema.input
package signalbox.units.limits

import data.signalbox.lib.access

caps contains layer.max_tokens if some layer in access.layers

obligations["max_tokens"] := min(caps) if count(caps) > 0

obligations["limits"] := limits if count(limits) > 0

# Budgets.
limits contains {"scope": counter, "unit": unit, "max": limit[unit], "window": limit.window, "on_exceed": excess} if {
	some [counter, excess, limit] in counted
	some unit in ["usd_nano", "tokens", "requests"]
}

# Rates.
limits contains {"scope": counter, "unit": unit, "max": limit[unit], "window": limit.per, "rate": true, "on_exceed": excess} if {
	some [counter, excess, limit] in counted
	some unit in ["tokens", "requests"]
}

limits contains {"scope": counter, "unit": "concurrent", "max": limit.concurrent, "on_exceed": excess} if {
	some [counter, excess, limit] in counted
}

counted contains [scope(object.get(limit, "each", kind)), object.get(limit, "on_exceed", "deny"), limit] if {
	some [kind, limit] in access.limits
}

scope(kind) := concat("/", [kind, who[kind]]) if who[kind] != ""

# A caller without a team has a counter all the same.
scope(kind) := own if who[kind] == ""

own := concat("/", ["key", input.principal.key_id]) if input.principal.key_id != ""

own := concat("/", ["user", input.principal.user]) if input.principal.key_id == ""

who := {
	"key": input.principal.key_id,
	"user": input.principal.user,
	"project": input.principal.project,
	"team": input.principal.team,
	"org": input.principal.org,
	"env": input.principal.env,
}
