package limit

// cells is how many parts a window is counted in. What was taken counts until
// the part that it was taken in has left the window as a whole: up to a 60th of
// the window longer than it must, never shorter.
const cells = 60

// window counts what was taken within the last so much time.
type window struct {
	step  int64 // ns, the length of a cell
	last  int64 // number of the newest cell
	end   int64 // ns, of the newest cell
	sum   int64 // of all cells
	count [cells + 1]int64
}

// turn makes the cell of now (ns) the newest one and returns its number. A
// clock that steps back stays in its cell.
func (w *window) turn(now int64) int64 {
	if now < w.end {
		return w.last
	}
	at := now / w.step
	if at-w.last > cells {
		w.count, w.sum = [cells + 1]int64{}, 0
	} else {
		for n := w.last + 1; n <= at; n++ {
			c := &w.count[n%(cells+1)]
			w.sum -= *c
			*c = 0
		}
	}
	w.last, w.end = at, (at+1)*w.step
	return at
}

// add counts n into cell at, unless that has left the window.
func (w *window) add(at, n int64) {
	if w.last-at <= cells {
		w.count[at%(cells+1)] += n
		w.sum += n
	}
}

// each calls f with what the cells hold, and how many cells ago that was.
func (w *window) each(f func(age, n int64)) {
	for age := int64(0); age <= cells && age <= w.last; age++ {
		if n := w.count[(w.last-age)%(cells+1)]; n > 0 {
			f(age, n)
		}
	}
}

// leaves is how long after now cell at stops to count.
func (w *window) leaves(at, now int64) int64 { return (at+cells+1)*w.step - now }

// wait is how long after now n more fit below limit, as far as what was taken
// until now tells.
func (w *window) wait(now, n, limit int64) int64 {
	over := w.sum + n - limit
	for at := w.last - cells; at <= w.last && over > 0; at++ {
		if at < 0 {
			continue
		}
		if over -= w.count[at%(cells+1)]; over <= 0 {
			return w.leaves(at, now)
		}
	}
	return 0
}

// reset is how long after now nothing is counted any more.
func (w *window) reset(now int64) int64 {
	for at := w.last; at > w.last-cells-1 && at >= 0; at-- {
		if w.count[at%(cells+1)] != 0 {
			return w.leaves(at, now)
		}
	}
	return 0
}
