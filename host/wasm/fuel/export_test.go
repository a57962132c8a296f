package fuel

// Weighed is t with charges that are not rounded; unmerged: of every segment
// by itself; each: of every instruction when it is run.
func Weighed(t Tariff, unmerged, each bool) Tariff {
	t.test = testing{exact: true, unmerged: unmerged || each, each: each}
	return t
}
