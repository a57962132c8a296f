# METADATA
# description: |
#   What data.signalbox says about the caller and its data. All layers hold at
#   once, so none can loosen another.
# schemas:
#   - input: schema.input
#   - data: schema.data
package signalbox.lib.access

layers contains data.signalbox.access["default"]

layers contains data.signalbox.access.orgs[input.principal.org]

layers contains data.signalbox.access.projects[input.principal.project]

layers contains data.signalbox.access.teams[input.principal.team]

layers contains data.signalbox.access.envs[input.principal.env]

layers contains data.signalbox.access.keys[input.principal.key_name]

layers contains data.signalbox.access.roles[role] if some role in input.principal.roles

layers contains data.signalbox.classes[input.request.data_class]

# The limits that apply, each with whose counter it is where it does not say so.
limits contains ["key", limit] if {
	layer := data.signalbox.access["default"]
	some limit in layer.limits
}

limits contains ["org", limit] if some limit in data.signalbox.access.orgs[input.principal.org].limits

limits contains ["project", limit] if some limit in data.signalbox.access.projects[input.principal.project].limits

limits contains ["team", limit] if some limit in data.signalbox.access.teams[input.principal.team].limits

limits contains ["env", limit] if some limit in data.signalbox.access.envs[input.principal.env].limits

limits contains ["key", limit] if some limit in data.signalbox.access.keys[input.principal.key_name].limits

limits contains ["key", limit] if {
	some role in input.principal.roles
	some limit in data.signalbox.access.roles[role].limits
}

limits contains ["key", limit] if some limit in data.signalbox.classes[input.request.data_class].limits
