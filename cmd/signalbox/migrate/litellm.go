package migrate

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// LiteLLM reads a configuration of LiteLLM's proxy.
func LiteLLM(raw []byte) (*Result, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if doc["model_list"] == nil && doc["litellm_settings"] == nil && doc["general_settings"] == nil && doc["router_settings"] == nil {
		return nil, fmt.Errorf("cannot convert the configuration: it has none of model_list, litellm_settings, router_settings and general_settings, which LiteLLM's have")
	}
	c := newConversion()
	c.all(c.section("", doc))
	return c.result()
}

func (c *conversion) all(doc *section) {
	for i, s := range doc.sections("credential_list") {
		name := s.text("credential_name")
		if name == "" {
			c.lost(s.path, "it has no name", "give it one, or write its values at the models that use it")
		}
		c.secrets[name] = doc.c.section(fmt.Sprintf("credential_list[%d].credential_values", i), s.object("credential_values"))
		s.ignore("credential_info")
		s.rest()
	}
	router, lite, general := doc.section("router_settings"), doc.section("litellm_settings"), doc.section("general_settings")
	c.strategy(router)
	for _, s := range doc.sections("model_list") {
		c.deployment(s)
	}
	c.fallbacks(router, lite)
	c.router(router)
	c.module(lite)
	c.general(general)
	c.guards(doc, lite)
	for name, why := range elsewhere {
		if doc.has(name) {
			c.lost(name, why[0], why[1])
		}
	}
	router.rest()
	lite.rest()
	general.rest()
	doc.rest()
	c.finish()
}
