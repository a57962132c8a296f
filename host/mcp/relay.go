package mcp

import (
	"context"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// mostReports is how many reports of progress wait for a caller who reads
// slowly: what comes beyond is lost, it is of no use late.
const mostReports = 16

// relay passes a server's reports of progress on a call to its caller, where
// that has asked for them. stop ends that.
func (d *Door) relay(ctx context.Context, s *server, r *sdk.CallToolRequest, p *sdk.CallToolParams, quiet bool) (stop func()) {
	token := r.Params.GetProgressToken()
	if token == nil {
		return func() {}
	}
	reports := make(chan *sdk.ProgressNotificationParams, mostReports)
	mine := s.counts.follow(func(p *sdk.ProgressNotificationParams) {
		select {
		case reports <- p:
		default:
		}
	})
	p.SetProgressToken(mine)
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case rep := <-reports:
				if quiet {
					rep.Message = ""
				}
				_ = r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: token, Message: clip(rep.Message, maxText), Progress: rep.Progress, Total: rep.Total})
			}
		}
	})
	return func() {
		s.counts.unfollow(mine)
		cancel()
		done.Wait()
	}
}
