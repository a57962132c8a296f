package call

// Meaning is a kept answer under what was meant by the request. Only requests of
// one Part are ever compared: all of them but some words is the same.
type Meaning struct {
	Part    [32]byte
	Key     [32]byte // that Sealed was sealed for
	Tenant  string
	Model   string
	Made    int64     // Unix milliseconds
	Expires int64     // Unix milliseconds
	Vector  []float32 // of length 1
	Sealed  []byte
}

// Near is the meaning that is nearest to another.
type Near struct {
	Key      [32]byte
	Sealed   []byte  // nil: there is none
	Distance float64 // 1 − cosine
}

// Purge picks kept answers to be forgotten; what is empty picks all.
type Purge struct {
	Tenant string `json:"tenant,omitempty"`
	Model  string `json:"model,omitempty"`
	Key    string `json:"key,omitempty"`    // hexadecimal
	Before int64  `json:"before,omitempty"` // Unix milliseconds: made then or before; 0: whenever
}
