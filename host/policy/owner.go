package policy

// memoOwner is one principal's part of a memo: its entries by age. It is
// guarded by the memo's lock and exists while there are any.
type memoOwner[V any] struct {
	name           string
	bytes          int64
	oldest, newest *memoEntry[V]
}

func (o *memoOwner[V]) push(e *memoEntry[V]) {
	e.older, e.newer = o.newest, nil
	if o.newest != nil {
		o.newest.newer = e
	} else {
		o.oldest = e
	}
	o.newest = e
	o.bytes += e.size
}

func (o *memoOwner[V]) unlink(e *memoEntry[V]) {
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		o.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		o.newest = e.older
	}
	e.older, e.newer = nil, nil
	o.bytes -= e.size
}

// victim is the oldest entry without a second chance; those that had one go to
// the young end. There must be an entry.
func (o *memoOwner[V]) victim() *memoEntry[V] {
	for last := o.newest; ; {
		e := o.oldest
		if !e.spare() || e == last {
			return e
		}
		o.unlink(e)
		o.push(e)
	}
}
