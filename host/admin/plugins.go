package admin

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Plugins is what can be done with adapters.
type Plugins struct {
	List    func() any // encodes as a JSON object
	Install func(context.Context, PluginUpload) (any, error)
	// Upgrade puts a version of an adapter to use; "" is the one installed last.
	Upgrade func(ctx context.Context, name, version string) (any, error)
	Restart func(ctx context.Context, provider string) error
	// Logs gives the last lines of a provider's adapter, and those to come.
	Logs func(ctx context.Context, provider string, lines int, follow bool, each func(line []byte) error) error
}

// PluginUpload is an adapter to be installed.
type PluginUpload struct {
	Body                           io.Reader
	Folder                         bool // Body is a tar
	Entry, Name, SHA256, Signature string
}

const (
	maxUpload     = 520 << 20
	uploadTime    = 10 * time.Minute
	headSignature = "X-Signalbox-Signature" // base64 of a .minisig file
)

func (s *Server) pluginRoutes(guarded map[string]route) {
	if s.opt.Plugins == nil {
		return
	}
	guarded["GET /admin/plugins"] = viewers(s.listPlugins)
	guarded["POST /admin/plugins"] = owners(s.installPlugin)
	guarded["POST /admin/plugins/{name}/upgrade"] = operators(s.upgradePlugin)
	guarded["POST /admin/plugins/{name}/restart"] = operators(s.restartPlugin)
	guarded["GET /admin/plugins/{name}/logs"] = route{need: Viewer, raw: s.pluginLogs}
}

func (s *Server) listPlugins(http.ResponseWriter, *http.Request) (any, error) {
	return s.opt.Plugins.List(), nil
}

// installPlugin takes a program as application/octet-stream, or a tar of a
// script's folder as application/x-tar.
func (s *Server) installPlugin(w http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(headSignature))
	if err != nil {
		return nil, invalid("%s is not base64", headSignature)
	}
	up := PluginUpload{Body: r.Body, Folder: r.Header.Get("Content-Type") == "application/x-tar",
		Entry: q.Get("entry"), Name: q.Get("name"), SHA256: q.Get("sha256"), Signature: string(signature)}
	return s.opt.Plugins.Install(r.Context(), up)
}

func (s *Server) upgradePlugin(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.opt.Plugins.Upgrade(r.Context(), r.PathValue("name"), r.URL.Query().Get("version"))
}

func (s *Server) restartPlugin(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := s.opt.Plugins.Restart(r.Context(), r.PathValue("name")); err != nil {
		return nil, err
	}
	return map[string]bool{"restarted": true}, nil
}

// pluginLogs answers with one JSON object a line.
func (s *Server) pluginLogs(w http.ResponseWriter, r *http.Request) {
	lines := 100
	if text := r.URL.Query().Get("lines"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			s.fail(w, invalid("lines=%q is not a number", text))
			return
		}
		lines = n
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	out := http.NewResponseController(w)
	begun := false
	err := s.opt.Plugins.Logs(ctx, r.PathValue("name"), lines, r.URL.Query().Get("follow") != "", func(line []byte) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
		return out.Flush()
	})
	if err != nil && !begun {
		s.fail(w, err)
	}
}

// roomy gives uploads of adapters and modules the bytes and the time that they take.
func roomy(w http.ResponseWriter, r *http.Request) bool {
	var most int64
	switch path := strings.TrimSuffix(r.URL.Path, "/"); {
	case strings.HasPrefix(path, "/admin/policy/") && (r.Method == http.MethodPost || r.Method == http.MethodPut):
		most = maxBundle
	case r.Method != http.MethodPost:
		return false
	case path == "/admin/plugins":
		most = maxUpload
	case playing(r):
		most = maxPlay
	case strings.HasSuffix(path, "/versions"), showing(r):
		most = maxModule
	default:
		return false
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTime))
	r.Body = http.MaxBytesReader(w, r.Body, most)
	return true
}
