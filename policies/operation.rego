# METADATA
# description: What may be asked for, operations with paths of their own and sizes included.
# schemas:
#   - input: schema.input
package signalbox.units.operation

import data.signalbox.lib.access
import data.signalbox.lib.names

deny contains {"code": "operation_not_allowed", "v": input.request.op} if {
	some layer in access.layers
	ops := layer.ops
	not ops[input.request.op]
}

deny contains {"code": "path_not_allowed", "v": path} if {
	input.request.path != ""
	some layer in access.layers
	paths := layer.paths
	path := concat(" ", [input.request.method, input.request.path])
	not names.listed(paths, path)
}

deny contains {"code": "priority_not_allowed"} if {
	input.request.priority == "high"
	some layer in access.layers
	layer.high_priority == false
}

deny contains {"code": "input_too_large", "v": most} if {
	some layer in access.layers
	most := layer.max_input
	not fits(input.request.input_size, most)
}

fits(size, most) if sizes[size] <= sizes[most]

# Kibibytes of the names of sizes.
sizes := {
	"1k": 1, "2k": 2, "4k": 4, "8k": 8, "16k": 16, "32k": 32, "64k": 64, "128k": 128, "256k": 256, "512k": 512,
	"1m": 1024, "2m": 2048, "4m": 4096, "8m": 8192, "16m": 16384, "32m": 32768, "64m": 65536,
}
