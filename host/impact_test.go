package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/decision"
)

// TestImpactIsBounded: a bundle may make a limit of each request.
func TestImpactIsBounded(t *testing.T) {
	r := &impactReport{limits: map[limitKey]*sum{}}
	e := &decision.Entry{Received: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), Status: 200, Cost: 7}
	limit := func(i int) []call.Limit {
		return []call.Limit{{Scope: fmt.Sprintf("user/%d", i), Unit: call.UnitRequests, Window: call.Window{Unit: "day", Size: 1}, Rate: true}}
	}
	const more = 30
	for i := range impactCallers + more {
		for range 2 {
			if err := r.limit(e, limit(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := len(r.limits); i < impactWindows; i++ {
		r.limits[limitKey{start: int64(i)}] = &sum{}
	}
	if err := r.limit(e, limit(-1)); err != nil || len(r.limits) != impactWindows || r.left != 1 {
		t.Errorf("%d windows, %d left, %v", len(r.limits), r.left, err)
	}
	r.refusals()
	if len(r.Limits) != impactCallers || r.Limits[0].Refused != 2 || r.Limits[0].Cost != 14 {
		t.Errorf("%d limits, the first %+v", len(r.Limits), r.Limits[0])
	}
	notes := strings.Join(r.Notes, "\n")
	if !strings.Contains(notes, fmt.Sprintf("%d more limits", more)) || !strings.Contains(notes, "not applied to 1 requests") {
		t.Errorf("notes: %s", notes)
	}
}

func TestOneImpactAtATime(t *testing.T) {
	h, _ := testHost(t)
	h.trials.impact.Lock()
	if _, err := h.impact(context.Background(), admin.ImpactQuery{}); !errors.Is(err, errImpact) {
		t.Errorf("got %v", err)
	}
}
