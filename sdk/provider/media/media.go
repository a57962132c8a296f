// Package media holds what adapters of speech, transcription and image
// services share: forms that are read as they arrive, transcripts in the
// formats of OpenAI's API, its requests for speech and images, and errors.
//
// An adapter whose upstream speaks OpenAI's dialect needs none of it: it
// leases its connection.
package media

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Bad is a 400 for the field param of the request; format says what is wanted.
func Bad(param, format string, args ...any) *wire.Error {
	e := wire.Errorf(http.StatusBadRequest, "invalid_"+param, param+": "+format, args...)
	e.Param = param
	return e
}

// Drop reports fields of the request that the upstream has no place for; a
// strict caller is refused in their stead.
func Drop(r *provider.Request, w *provider.Writer, fields ...string) error {
	if len(fields) == 0 {
		return nil
	}
	slices.Sort(fields)
	if r.Strict() {
		return Unsupported(fields...)
	}
	w.Dropped(fields...)
	return nil
}

// Unsupported is the answer to a strict caller who uses these fields.
func Unsupported(fields ...string) *wire.Error {
	e := wire.Errorf(http.StatusBadRequest, "unsupported_params",
		"%s cannot be carried to this model's provider; leave them out, or do not ask to be strict", strings.Join(fields, ", "))
	e.Param = fields[0]
	return e
}

// Base reads a base_url: with or without suffix, which the adapter adds.
func Base(s, example, suffix string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("base_url %q is not of the form https://host/path; the service's is %s", s, example)
	}
	return strings.TrimSuffix(strings.TrimRight(s, "/"), suffix), nil
}

// maxError is how much of an upstream's error is read, maxShown how much of
// one that says nothing known is shown.
const (
	maxError = 1 << 20
	maxShown = 500
)

// Failure reads an upstream's answer other than 2xx as an error: its message,
// and its class by the first rule that matches, as on a lease. It leaves
// closing the body to the caller.
func Failure(resp *http.Response, rules []provider.ErrorRule) *wire.Error {
	if resp.StatusCode < 400 {
		return wire.Errorf(http.StatusBadGateway, "upstream_redirects",
			"the upstream answered %d; redirects are not followed with a credential, check base_url", resp.StatusCode)
	}
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // what came says enough
	said, ok := wire.ReadError(raw)
	if ok = named(raw, &said) || ok; !ok {
		said.Message = strings.ToValidUTF8(string(raw[:min(len(raw), maxShown)]), "�")
	}
	e := &wire.Error{Status: resp.StatusCode, Class: said.Class(resp.StatusCode), Code: said.Code, Message: said.Message,
		Param: said.Param, RetryAfter: proto.ParseRetryAfter(resp.Header.Get("Retry-After"))}
	for _, rule := range rules {
		if rule.Matches(resp.StatusCode, said) {
			e.Class = rule.Class
			break
		}
	}
	if e.Code == "" || e.Code == strconv.Itoa(e.Status) {
		if e.Code = said.Type; e.Code == "" {
			e.Code = e.Class.String()
		}
	}
	if e.Message == "" {
		e.Message = "the upstream answered " + resp.Status
	}
	return e
}

// named reads members that only services of media have: Deepgram's err_code and
// category, Stability's name. It reports whether there are any.
func named(raw []byte, e *wire.ErrorBody) bool {
	var in struct {
		ErrCode  string `json:"err_code"`
		ErrMsg   string `json:"err_msg"`
		Category string
		Name     string
	}
	if json.Unmarshal(raw, &in) != nil {
		return false
	}
	code := in.ErrCode + in.Category + in.Name // a body has one of them
	if e.Code == "" {
		e.Code = code
	}
	if e.Message == "" {
		e.Message = in.ErrMsg
	}
	return code != "" || in.ErrMsg != ""
}

// Write makes a multipart body that fill writes while it is sent: what fill reads is
// not held. wait tells how fill ended and must be called once the request is
// done with; an error of fill spoils the request, so ask for it first.
func Write(fill func(*multipart.Writer) error) (body io.ReadCloser, contentType string, wait func() error) {
	r, pipe := io.Pipe()
	w := multipart.NewWriter(pipe)
	done := make(chan error, 1)
	go func() {
		err := fill(w)
		if err == nil {
			err = w.Close()
		}
		pipe.CloseWithError(err)
		done <- err
	}()
	return r, w.FormDataContentType(), func() error {
		r.Close() // an answer may come before all was read
		if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
		return nil
	}
}

// maxAnswer is the largest answer that All reads.
const maxAnswer = 64 << 20

// All reads an upstream's whole answer, up to 64 MiB.
func All(body io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(raw) > maxAnswer {
		err = wire.Errorf(http.StatusBadGateway, "upstream_too_large", "the upstream's answer is larger than %d bytes", maxAnswer)
	}
	return raw, err
}

// Pass copies an upstream's body to s as it comes and closes it: what is at
// hand leaves at once. done, which may be nil, runs after the last byte.
func Pass(s *provider.Stream, body io.ReadCloser, done func()) error {
	defer body.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, e := s.Write(buf[:n]); e != nil {
				return e
			}
			if e := s.Flush(); e != nil {
				return e
			}
		}
		switch err {
		case nil:
		case io.EOF:
			if done != nil {
				done()
			}
			return nil
		default:
			return err
		}
	}
}
