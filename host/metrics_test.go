package host

import (
	goflag "flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/telemetry"
)

var update = goflag.Bool("update", false, "write docs/metrics.md anew")

// metricsHead begins the page; its quotes stand for those of code.
const metricsHead = `# Metrics

All that '/metrics' of the admin address tells beside the figures of the runtime of Go ('go_*') and of the process ('process_*': CPU,
memory, files). A series appears once there is something to tell: families of a feature that is off are empty. The same
families are pushed where [telemetry.metrics](telemetry.md#metrics) names a collector. This page is made by
'go test ./host -run MetricsAreListed -update'.

| name | kind | labels | what it tells |
|---|---|---|---|
`

// TestMetricsAreListed compares the page of metrics with what a gateway registers.
func TestMetricsAreListed(t *testing.T) {
	h := &Host{metrics: telemetry.New(), cache: new(cache.Cache)}
	h.metrics.Add(h.allFamilies()...)
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(metricsHead, "'", "`"))
	for _, d := range h.metrics.List() {
		if d.Help == "" || !strings.HasSuffix(d.Help, ".") {
			t.Errorf("%s has no sentence for help: %q", d.Name, d.Help)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, strings.Join(d.Labels, ", "), strings.ReplaceAll(d.Help, "|", "\\|"))
	}
	const page = "../docs/metrics.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != b.String() {
		t.Errorf("%s is not what the gateway registers: run go test ./host -run MetricsAreListed -update", page)
	}
}
