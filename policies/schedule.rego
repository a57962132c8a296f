# METADATA
# description: When requests may be made, in the bundle's time zone.
# schemas:
#   - input: schema.input
package signalbox.units.schedule

import data.signalbox.lib.access

deny contains {"code": "out_of_hours"} if {
	some layer in access.layers
	hours := layer.hours
	not open(hours)
}

deny contains {"code": "access_expired", "v": last} if {
	some layer in access.layers
	last := layer.until
	input.time.day > floor(time.parse_ns("2006-01-02", last) / 86400000000000)
}

# Hours are from the first until before the last, over midnight where the last is the lower.
open(hours) if {
	hours.days[input.time.weekday]
	input.time.hour >= hours.from
	input.time.hour < hours.to
}

open(hours) if {
	hours.days[input.time.weekday]
	hours.from >= hours.to
	not between(input.time.hour, hours.to, hours.from)
}

between(hour, first, last) if {
	hour >= first
	hour < last
}
