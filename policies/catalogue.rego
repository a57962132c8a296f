# METADATA
# description: What the catalogue knows of the model that is asked for.
# schemas:
#   - input: schema.input
#   - data: schema.data
package signalbox.lib.models

# The targets that may serve it; none for a model that no adapter lists.
asked contains target if some target in data.signalbox.catalogue.aliases[input.request.model]

asked contains input.request.model if data.signalbox.catalogue.models[input.request.model]
