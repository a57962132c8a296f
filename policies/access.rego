# What data.signalbox.access says about the caller, layer by layer: the default
# for everybody, then the team's, then the key's. All layers hold at once, so
# none can loosen another.
package signalbox.lib.access

layers["default"] := data.signalbox.access["default"]

layers["team"] := data.signalbox.access.teams[input.principal.team]

layers["key"] := data.signalbox.access.keys[input.principal.key_name]
