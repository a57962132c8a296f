# METADATA
# description: |
#   Lists of names as they stand in data, {"name": true}, where a name may be a
#   glob. One that is false is not listed, whatever else would match it.
package signalbox.lib.names

listed(list, name) if list[name]

# A star stops at a slash, two stars do not.
listed(list, name) if {
	not list[name] == false
	some pattern, true in list
	glob.match(pattern, ["/"], name)
}

any_of(list, names) if {
	some name in names
	list[name]
}
