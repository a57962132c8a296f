// Package config reads the configuration of a gateway: defaults, then a YAML
// file, then SIGNALBOX_ variables of the environment, then flags, each over the
// one before. What it returns has been checked as a whole: unknown names are
// refused with the nearest known one, references to secrets are resolved, and
// every problem is named by the field's path and what to do about it.
package config
