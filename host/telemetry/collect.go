package telemetry

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Emit reports one value with the values of the family's labels.
type Emit func(value float64, labels ...string)

// Family is a metric whose values a stage keeps itself: they are read when the
// metrics are asked for, and cost nothing until then.
type Family struct {
	Name    string // without the prefix; "_total" at the end makes it a counter
	Help    string
	Labels  []string
	Collect func(Emit)
}

// Add registers families. Two of one name are a mistake of the program.
func (m *Metrics) Add(families ...Family) {
	for _, f := range families {
		kind, named := prometheus.GaugeValue, "gauge"
		if strings.HasSuffix(f.Name, "_total") {
			kind, named = prometheus.CounterValue, "counter"
		}
		m.list = append(m.list, Described{namespace + "_" + f.Name, named, f.Help, f.Labels})
		c := &family{Family: f, kind: kind, desc: prometheus.NewDesc(namespace+"_"+f.Name, f.Help, f.Labels, nil)}
		if err := m.registry.Register(c); err != nil {
			panic(fmt.Sprintf("BUG: metric %s cannot be registered; got %v", f.Name, err))
		}
	}
}

type family struct {
	Family
	kind prometheus.ValueType
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (f *family) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

// Collect implements prometheus.Collector.
func (f *family) Collect(ch chan<- prometheus.Metric) {
	f.Family.Collect(func(value float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(f.desc, f.kind, value, labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(f.desc, err)
		}
		ch <- metric
	})
}
