package pipeline

import "sync"

// Runs keeps the last runs of each pipeline, without what they were given and
// gave. It is safe for concurrent use.
type Runs struct {
	mu   sync.Mutex
	list map[string][]*Kept
	byID map[string]*Kept
}

// Kept is a run that is kept.
type Kept struct {
	*Record
	Key string `json:"key,omitempty"` // whose it was, by name
}

// keptRuns is how many runs are kept of a pipeline, keptNames of how many.
const (
	keptRuns  = 50
	keptNames = 500
)

// Add keeps r, whose output is left out.
func (k *Runs) Add(r *Record, key string) {
	shown := *r
	shown.Output = nil
	one := &Kept{Record: &shown, Key: key}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.list == nil {
		k.list, k.byID = map[string][]*Kept{}, map[string]*Kept{}
	}
	list := k.list[r.Pipeline]
	if list == nil && len(k.list) >= keptNames {
		return
	}
	if len(list) == keptRuns {
		delete(k.byID, list[0].ID)
		list = append(list[:0], list[1:]...)
	}
	k.list[r.Pipeline], k.byID[r.ID] = append(list, one), one
}

// Of are the runs of the pipeline called name, the last one first.
func (k *Runs) Of(name string) []*Kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.list[name]
	out := make([]*Kept, len(list))
	for i, r := range list {
		out[len(list)-1-i] = r
	}
	return out
}

// Find is the run of that id, nil: it is not kept.
func (k *Runs) Find(id string) *Kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byID[id]
}
