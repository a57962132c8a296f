package policy

import "fmt"

// classHeader names the class of a request's data. The caller's key may have
// one too, as its attribute data_class.
const classHeader = "x-signalbox-data-class"

// unknownClass is what a policy sees of a class that data.signalbox.classes does
// not list: callers must not be able to make up values that are remembered.
const unknownClass = "unknown"

// dataClass is one of data.signalbox.classes.
type dataClass struct {
	name  string
	level int64 // of two classes the one with the higher level holds
}

// newClasses reads data.signalbox.classes: name → {"level": n, …}.
func newClasses(raw any) (map[string]dataClass, error) {
	byName, ok := raw.(map[string]any)
	if raw != nil && !ok {
		return nil, fmt.Errorf("cannot read data.signalbox.classes: want an object of name: {\"level\": n}, got %T", raw)
	}
	out := make(map[string]dataClass, len(byName))
	for name, v := range byName {
		class, _ := v.(map[string]any)
		level, err := wholeNumber(class["level"])
		if err != nil || name == "" || name == unknownClass {
			return nil, fmt.Errorf("cannot read data.signalbox.classes.%s: a class has a name other than %q and a level, a whole number", name, unknownClass)
		}
		out[name] = dataClass{name, level}
	}
	return out, nil
}

func wholeNumber(v any) (int64, error) {
	n, ok := v.(interface{ Int64() (int64, error) }) // json.Number
	if !ok {
		return 0, fmt.Errorf("want a whole number, got %v", v)
	}
	return n.Int64()
}

// dataClass is the class of the call's data: the higher of the key's and the
// one that the caller names, "" without any.
func (r *reader) dataClass() string {
	own := r.call.Principal.Attrs["data_class"]
	class := r.classOf(own)
	if r.call.Header == nil {
		return class.name
	}
	named := r.call.Header.Peek(classHeader)
	if len(named) == 0 {
		return class.name
	}
	if said := r.classOf(alias(named)); class.name == "" || said.name == unknownClass || class.name != unknownClass && said.level > class.level {
		return said.name
	}
	return class.name
}

func (r *reader) classOf(name string) dataClass {
	if name == "" {
		return dataClass{}
	}
	if class, ok := r.env.classes[name]; ok {
		return class
	}
	return dataClass{name: unknownClass}
}
