package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

var admin = http.Client{Timeout: time.Minute}

// spent is what the gateway's ledger says.
type spent struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"`
	Tokens   struct {
		Input     int64 `json:"input"`
		CacheRead int64 `json:"cache_read"`
		Output    int64 `json:"output"`
		Reasoning int64 `json:"reasoning"`
	} `json:"tokens"`
}

type usageAnswer struct {
	ByModel []struct {
		Name string `json:"model"`
		spent
	} `json:"rows"`
}

// usage asks for what has been spent with key, "" for all keys. To answer, the
// gateway folds all that its ledger has journalled.
func (g *gateway) usage(key string) (*usageAnswer, error) {
	u := "http://" + g.admin + "/admin/usage?by=model"
	if key != "" {
		u += "&key=" + url.QueryEscape(key)
	}
	q, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+adminToken)
	a := &usageAnswer{}
	err = fetch(q, func(r io.Reader) error { return json.NewDecoder(r).Decode(a) })
	return a, err
}

// mallocs is how many objects the gateway has allocated so far; 0 for baselines.
func (t *target) mallocs() (n float64, err error) {
	if t.gateway == nil {
		return 0, nil
	}
	q, err := http.NewRequest(http.MethodGet, "http://"+t.gateway.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	err = fetch(q, func(r io.Reader) error {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if v, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
				n, err = strconv.ParseFloat(v, 64)
				return err
			}
		}
		return fmt.Errorf("%s has no go_memstats_mallocs_total", q.URL)
	})
	return n, err
}

func fetch(q *http.Request, read func(io.Reader) error) error {
	r, err := admin.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
		return fmt.Errorf("%s answers %s: %s", q.URL, r.Status, b)
	}
	err = read(r.Body)
	_, _ = io.Copy(io.Discard, r.Body) // the connection is used again
	return err
}
