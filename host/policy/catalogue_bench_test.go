package policy

import (
	"fmt"
	"testing"
)

// BenchmarkCatalogue evaluates, past the memo, a rule that looks at every model.
func BenchmarkCatalogue(b *testing.B) {
	rules := files{"u": `obligations["targets"] := {name |
	some name, m in data.signalbox.catalogue.models
	m.region == "eu"
	m.price.long_output <= 20000000000
}`}
	for _, n := range []int{10, 300, 2000} {
		b.Run(fmt.Sprint(n, " models"), func(b *testing.B) {
			c := Catalogue{Models: map[string]CatalogueModel{}}
			for i := range n {
				region := "us"
				if i%10 == 0 {
					region = "eu"
				}
				c.Models[fmt.Sprintf("p/m%d", i)] = CatalogueModel{Region: region, Price: &CataloguePrice{LongOutput: 5e9}}
			}
			s := openWith(b, Options{Path: rules.folder(b), Deadline: slack, Catalogue: c}).snap.Load()
			call := sampleCall()
			b.ReportAllocs()
			defer processCPU(b)()
			for b.Loop() {
				r := getReader(call, &s.env)
				if _, err := s.units[1].eval(r.evaluation()); err != nil {
					b.Fatal(err)
				}
				putReader(r)
			}
		})
	}
}
