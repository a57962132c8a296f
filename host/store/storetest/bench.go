package storetest

import (
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// BenchUsage asks a ledger of a million requests, of thirty days and 200 keys,
// from sums and from single requests. The CPU time is that of this process.
func BenchUsage(b *testing.B, s store.Store) {
	ctx, rows := b.Context(), make([]call.Record, 10_000)
	for batch := range 100 {
		for i := range rows {
			n := batch*len(rows) + i
			rows[i] = Record(call.ID(n), 200)
			rows[i].ID = call.FirstID(noon.Add(time.Duration(n)*2592*time.Millisecond)) + call.ID(n%4096)
		}
		if err := s.Fold(ctx, int64(batch), rows, false); err != nil {
			b.Fatal(err)
		}
	}
	f := func(name string, q call.UsageQuery) {
		b.Run(name, func(b *testing.B) {
			start := cpu()
			for b.Loop() {
				if u, err := s.Usage(ctx, q); err != nil || len(u.Rows) == 0 {
					b.Fatalf("%d rows, %v", len(u.Rows), err)
				}
			}
			b.ReportMetric(float64((cpu()-start).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	f("sums/day,key,model", call.UsageQuery{By: []string{"day", "key", "model"}, Zone: berlin})
	f("sums/team", call.UsageQuery{By: []string{"team"}})
	f("sums/last-day", call.UsageQuery{By: []string{"key"}, From: noon.AddDate(0, 0, 29).Truncate(time.Hour)})
	f("requests/address", call.UsageQuery{By: []string{"address"}})
	f("requests/hour-and-a-half", call.UsageQuery{By: []string{"key"}, From: noon.AddDate(0, 0, 5), To: noon.AddDate(0, 0, 5).Add(90 * time.Minute)})
}

// cpu is the process's CPU time so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
