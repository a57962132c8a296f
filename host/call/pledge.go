package call

// Pledge is what was reserved of budgets for longer than a process may live.
// For the pool that reserved it, it is spent; what was not needed in the end
// goes back to the very accounts and windows that it came from.
type Pledge struct {
	ID    ID     // of the reservation
	Owner string // what it is for: "batch/batch_12"
	Parts []PledgePart
}

// PledgePart is what one account has given.
type PledgePart struct {
	Scope  string
	Window string // as BankOp has it
	Start  int64
	Unit   Unit
	Amount int64
}

// Back is what goes back to the account when so much was spent, by unit.
func (p *PledgePart) Back(spent []int64) int64 {
	if int(p.Unit) >= len(spent) {
		return p.Amount
	}
	return p.Amount - spent[p.Unit]
}
