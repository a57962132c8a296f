package admin

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Playground carries a request of somebody at the dashboard to the data plane,
// since a browser may talk to the admin address alone. It ends with ctx.
type Playground func(ctx context.Context, q *PlaygroundRequest) (*http.Response, error)

// PlaygroundRequest is a request for the data plane.
type PlaygroundRequest struct {
	Who    Identity
	Key    string // a virtual key to ask with, "": it is asked in Who's own name
	Remote string // whom it comes from
	TLS    bool

	Path   string // "/v1/chat/completions"
	Header http.Header
	Body   io.Reader
	Length int64
}

const (
	// maxPlay bounds a body, such as a picture or a recording.
	maxPlay = 32 << 20
	// maxPlays are at a time.
	maxPlays = 16
	// playStall is for how long a browser may not read on.
	playStall = time.Minute
	playKey   = "X-Signalbox-Key"
	playBase  = "/admin/playground"
)

// playable are the paths that can be tried, those that end in a slash with one name below.
var playable = []string{"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/v1/embeddings", "/v1/images/generations",
	"/v1/images/edits", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/moderations", "/v1/rerank", "/v1/pipelines/"}

// playHeaders are the headers that go on.
var playHeaders = []string{"Content-Type", "Anthropic-Version", "X-Signalbox-Cache", "X-Signalbox-Cache-Ttl"}

func (s *Server) playgroundRoutes(guarded map[string]route) {
	if s.opt.Playground != nil {
		guarded["POST "+playBase+"/{path...}"] = route{need: Operator, raw: s.play}
	}
}

// playing reports whether what r holds is somebody's prompt, which is nothing
// for the audit log.
func playing(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, playBase+"/") }

func (s *Server) play(w http.ResponseWriter, r *http.Request) {
	path := "/" + r.PathValue("path")
	if !slices.ContainsFunc(playable, func(p string) bool {
		below, is := strings.CutPrefix(path, p)
		return is && (below == "" && !strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/") && keyName.MatchString(below))
	}) {
		s.fail(w, notFound("%s cannot be tried here: ask one of %s", path, strings.Join(playable, ", ")))
		return
	}
	select {
	case s.plays <- struct{}{}:
		defer func() { <-s.plays }()
	default:
		e := wire.Errorf(http.StatusTooManyRequests, "too_many_plays", "%d requests of the playground run already: wait for one to end", maxPlays)
		e.RetryAfter = time.Second
		s.fail(w, e)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	q := &PlaygroundRequest{Who: Who(r.Context()), Key: strings.TrimSpace(r.Header.Get(playKey)), Remote: r.RemoteAddr, TLS: r.TLS != nil,
		Path: path, Header: http.Header{}, Body: r.Body, Length: r.ContentLength}
	for _, name := range playHeaders {
		if v := r.Header.Get(name); v != "" {
			q.Header.Set(name, v)
		}
	}
	ans, err := s.opt.Playground(ctx, q)
	if err != nil {
		s.fail(w, err)
		return
	}
	defer ans.Body.Close()
	s.played(w, ans)
}

// played hands an answer on as it comes. It is shown by the page that asked, and
// by nothing else.
func (s *Server) played(w http.ResponseWriter, ans *http.Response) {
	h := w.Header()
	for name, values := range ans.Header {
		if name == "Content-Type" || name == "Retry-After" || strings.HasPrefix(name, "X-Signalbox-") || strings.HasPrefix(name, "X-Ratelimit-") {
			h[name] = values
		}
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.WriteHeader(ans.StatusCode)
	out := http.NewResponseController(w)
	buf := make([]byte, 16<<10)
	for {
		n, err := ans.Body.Read(buf)
		if n > 0 {
			_ = out.SetWriteDeadline(time.Now().Add(playStall)) // a recorder of tests has none
			if _, werr := w.Write(buf[:n]); werr != nil {
				return
			}
			_ = out.Flush() // what cannot be flushed fails to be written
		}
		if err != nil {
			if err != io.EOF {
				panic(http.ErrAbortHandler) // so that what was cut off does not look whole
			}
			_ = out.SetWriteDeadline(time.Time{})
			return
		}
	}
}
