package config

// Playground is where administrators try models from the dashboard.
type Playground struct {
	Enabled bool `koanf:"enabled"` // default true
	// Whom it is for: policy, budgets and rates of these hold, too.
	Org     string `koanf:"org"`
	Project string `koanf:"project"`
	Team    string `koanf:"team"`
	// Budgets and Rates are what all administrators have together.
	Budgets []Limit `koanf:"budgets"`
	Rates   []Limit `koanf:"rates"`
}

func (c *Config) checkPlayground(p *problems) {
	checkOwn(p, "playground.budgets", c.Playground.Budgets, false)
	checkOwn(p, "playground.rates", c.Playground.Rates, true)
	if c.Playground.Enabled && len(c.Playground.Budgets) == 0 {
		p.addf("playground.budgets", "is empty: give at least one, such as {usd: 5, window: day}, or enabled: false")
	}
}
