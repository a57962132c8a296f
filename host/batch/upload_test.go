package batch

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// aside is a form that was put aside. It counts who is still sending it.
type aside struct {
	form    []byte
	sending atomic.Int32
}

func (a *aside) Size() int64 { return int64(len(a.form)) }

func (a *aside) Send(w io.Writer, from, to int64) error {
	a.sending.Add(1)
	defer a.sending.Add(-1)
	_, err := w.Write(a.form[from:to])
	return err
}

// formOf is one with fields and files, each a name and a content in turn.
func formOf(t *testing.T, parts ...string) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		var err error
		if parts[i] == "file" {
			var p io.Writer
			if p, err = w.CreateFormFile("file", "in.jsonl"); err == nil {
				_, err = io.WriteString(p, parts[i+1])
			}
		} else {
			err = w.WriteField(parts[i], parts[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// TestUploadsAreReadToNoEnd: whoever sends a form has ended when the answer is
// there, whatever is wrong with it: the request's bytes are others' then.
func TestUploadsAreReadToNoEnd(t *testing.T) {
	o := newOffice(t)
	f := func(status int, behind string, parts ...string) {
		t.Helper()
		body, kind := formOf(t, parts...)
		up := &aside{form: append(body, behind...)}
		_, err := o.Files(t.Context(), o.me, &Ask{Upload: up, ContentType: kind})
		if got := up.sending.Load(); got != 0 {
			t.Errorf("%q: %d still send it", parts, got)
		}
		if err == nil && status != 200 || err != nil && err.Status != status {
			t.Errorf("%q: %v; want %d", parts, err, status)
		}
	}
	long := strings.Repeat("x", 5000)
	f(200, "", "purpose", "batch", "file", long)
	f(200, strings.Repeat("behind the end ", 10_000), "file", long, "purpose", "batch")
	f(400, "", "expires_after[seconds]", "x", "file", long, "purpose", "batch")
	f(413, "", "file", strings.Repeat("x", 10_001), "purpose", "batch", "other", long)
	f(400, "", "file", "first", "file", "second", "purpose", "batch")
	list, err := o.Files(t.Context(), o.me, &Ask{Method: "GET"})
	if err != nil || strings.Count(string(list.Body), `"in.jsonl"`) != 2 {
		t.Errorf("kept are %s, %v; want two", list.Body, err)
	}
}

// TestQuotaHoldsForUploadsAtOnce: files that come at the same time do not each
// get the room that is left for one.
func TestQuotaHoldsForUploadsAtOnce(t *testing.T) {
	o := newOffice(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := o.upload(strings.Repeat("x", 9_000), "purpose", "batch"); err != nil && err.Code != "files_quota" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used, err := o.store.FilesSize(t.Context(), o.me.Tenant); err != nil || used > o.opt.MaxFiles {
		t.Errorf("%d bytes are kept, %v; want %d at most", used, err, o.opt.MaxFiles)
	}
}

// TestBatchesAtOnceAreCounted: of those that are made at the same time no more
// are taken in than may be.
func TestBatchesAtOnceAreCounted(t *testing.T) {
	o := newOffice(t)
	f, err := o.upload(lineset(3), "purpose", "batch")
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/embeddings","completion_window":"24h"}`, f.ID)
	var wg sync.WaitGroup
	var made atomic.Int32
	for range 10 {
		wg.Go(func() {
			_, err := o.Batches(t.Context(), o.me, &Ask{Body: []byte(body)})
			if err == nil {
				made.Add(1)
			} else if err.Code != "too_many_batches" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := int(made.Load()); got != o.opt.MaxBatches {
		t.Errorf("%d are taken in; want %d", got, o.opt.MaxBatches)
	}
}
