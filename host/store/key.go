package store

import (
	"encoding/json"
	"errors"
)

const none = "null" // in JSON; most keys have none of most

// Texts are what of k is kept as JSON: roles, attributes, budgets and scope.
func (k *Key) Texts() (texts [4]string, err error) {
	for i, v := range [...]any{k.Roles, k.Attrs, k.Budgets, k.Scope} {
		b, err := json.Marshal(v)
		if err != nil {
			return texts, err
		}
		texts[i] = string(b)
	}
	return texts, nil
}

// SetTexts reads what Texts wrote. What cannot be read is noted as damage.
func (k *Key) SetTexts(texts [4]string) {
	for i, v := range [...]any{&k.Roles, &k.Attrs, &k.Budgets, &k.Scope} {
		if texts[i] != none {
			k.Damaged = errors.Join(k.Damaged, json.Unmarshal([]byte(texts[i]), v))
		}
	}
}
