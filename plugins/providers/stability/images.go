package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxUpload is what an edit's files may have together; Stability takes 10 MiB.
const maxUpload = 32 << 20

// job is one request to the service. The same is sent for each image.
type job struct {
	url    string
	fields map[string]string
	files  map[string]*media.File
}

func (s *service) generate(r *provider.Request, w *provider.Writer) error {
	ask, err := media.ReadImage(r.Body())
	if err != nil {
		return err
	}
	j, dropped, err := s.job(ask, r.Model(), nil)
	if err != nil {
		return err
	}
	return s.answer(r, w, ask, j, dropped)
}

func (s *service) edit(r *provider.Request, w *provider.Writer) error {
	up, err := media.ReadUpload(r.Reader(), r.ContentType(), maxUpload)
	if err != nil {
		return err
	}
	defer up.Close()
	ask, err := media.ImageOfForm(up)
	if err != nil {
		return err
	}
	if up.File("image") == nil {
		return media.Bad("image", "is missing; want the image to edit")
	}
	if len(up.Files) > 2 || len(up.Files) == 2 && up.File("mask") == nil {
		return media.Bad("image", "want one image, and a mask if any: Stability edits one at a time")
	}
	j, dropped, err := s.job(ask, r.Model(), up)
	if err != nil {
		return err
	}
	return s.answer(r, w, ask, j, dropped)
}

// own are fields of Stability's forms that callers may add to OpenAI's.
var own = []string{"style_preset", "cfg_scale", "grow_mask", "strength"}

// job makes the form. A mask, or a model that takes no image, makes an edit an
// inpainting; other models start from the image.
func (s *service) job(ask *media.Image, model string, up *media.Upload) (*job, []string, error) {
	j := &job{fields: map[string]string{"prompt": ask.Prompt, "output_format": "png"}, files: map[string]*media.File{}}
	if ask.OutputFormat != "" {
		j.fields["output_format"] = ask.OutputFormat
	}
	if ask.NegativePrompt != "" {
		j.fields["negative_prompt"] = ask.NegativePrompt
	}
	if ask.Seed != nil {
		j.fields["seed"] = strconv.FormatInt(*ask.Seed, 10)
	}
	dropped := j.add(ask)
	at := "generate/" + model
	if strings.HasPrefix(model, "sd3") {
		at, j.fields["model"] = "generate/sd3", model
	}
	switch {
	case up == nil:
		if ratio, exact := aspect(ask.Size); ratio != "" {
			j.fields["aspect_ratio"] = ratio
			if !exact {
				dropped = append(dropped, "size")
			}
		} else if ask.Size != "" && ask.Size != "auto" {
			return nil, nil, media.Bad("size", "%q is not of the form 1024x1024", ask.Size)
		}
	case up.File("mask") != nil || model == "core" || model == "inpaint":
		at = "edit/inpaint"
		delete(j.fields, "model")
		j.files["image"] = up.File("image")
		if mask := up.File("mask"); mask != nil {
			j.files["mask"] = mask
		}
	default:
		j.files["image"] = up.File("image")
		if j.fields["strength"] == "" {
			j.fields["strength"] = strconv.FormatFloat(s.Strength, 'g', -1, 64)
		}
		if at == "generate/sd3" {
			j.fields["mode"] = "image-to-image"
		}
	}
	if up != nil && ask.Size != "" && ask.Size != "auto" {
		dropped = append(dropped, "size") // an edit keeps its image's
	}
	j.url = s.BaseURL + "/v2beta/stable-image/" + at
	return j, dropped, nil
}

// add takes over the fields that are Stability's own and names the rest.
func (j *job) add(ask *media.Image) (dropped []string) {
	for name, v := range map[string]string{"quality": ask.Quality, "style": ask.Style, "background": ask.Background} {
		if v != "" && v != "auto" {
			dropped = append(dropped, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ask.Other)) {
		if slices.Contains(own, name) {
			j.fields[name] = strings.Trim(string(ask.Other[name]), `"`)
		} else {
			dropped = append(dropped, name)
		}
	}
	return dropped
}

// aspect is the ratio nearest to a size; exact when it is the size's within
// what rounding to whole pixels makes.
func aspect(size string) (ratio string, exact bool) {
	width, height, ok := strings.Cut(size, "x")
	w, errW := strconv.ParseFloat(width, 64)
	h, errH := strconv.ParseFloat(height, 64)
	if !ok || errW != nil || errH != nil || !(w >= 1 && h >= 1 && w <= 1e5 && h <= 1e5) {
		return "", false
	}
	nearest := math.Inf(1)
	for _, r := range []struct {
		name string
		w, h float64
	}{{"1:1", 1, 1}, {"16:9", 16, 9}, {"21:9", 21, 9}, {"2:3", 2, 3}, {"3:2", 3, 2}, {"4:5", 4, 5}, {"5:4", 5, 4}, {"9:16", 9, 16}, {"9:21", 9, 21}} {
		if d := math.Abs(math.Log(w / h * r.h / r.w)); d < nearest {
			nearest, ratio = d, r.name
		}
	}
	return ratio, nearest < 0.02
}

// answer makes as many images as were asked for, all at once, since Stability
// makes one a request. When some fail the others are answered: they are paid for.
func (s *service) answer(r *provider.Request, w *provider.Writer, ask *media.Image, j *job, dropped []string) error {
	if ask.ResponseFormat == "url" {
		return media.Bad("response_format", `"url" is not offered by Stability; want b64_json`)
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	all, failed, requests := make([]media.Made, ask.N), make([]error, ask.N), make([]*http.Request, ask.N)
	var running sync.WaitGroup
	turn := make(chan struct{}, 1) // files are read one request at a time
	for i := range all {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, j.url, http.NoBody) // r is for one goroutine
		if err != nil {
			return err
		}
		if key := string(r.Credential()); key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		requests[i] = req
	}
	for i, req := range requests {
		running.Go(func() { all[i], failed[i] = s.make(req, j.nth(i), turn) })
	}
	running.Wait()
	var made []media.Made
	for i, err := range failed {
		if err == nil {
			made = append(made, all[i])
		}
	}
	if len(made) == 0 {
		return failed[0]
	}
	w.Usage(wire.Usage{Images: int64(len(made))})
	return w.JSON(media.AppendImages(nil, time.Now().Unix(), j.fields["output_format"], made))
}

// picture is Stability's answer as JSON.
type picture struct {
	Image  string
	Finish string `json:"finish_reason"`
}

func (s *service) make(req *http.Request, j *job, turn chan struct{}) (media.Made, error) {
	if len(j.files) > 0 {
		turn <- struct{}{}
		defer func() { <-turn }()
	}
	body, contentType, wait := media.Write(j.write)
	req.Body, req.ContentLength = body, -1
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
	}
	if formErr := wait(); formErr != nil {
		return media.Made{}, formErr
	}
	if err != nil {
		return media.Made{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return media.Made{}, media.Failure(resp, rules)
	}
	return read(resp)
}

func read(resp *http.Response) (made media.Made, err error) {
	raw, err := media.All(resp.Body)
	if err != nil {
		return made, err
	}
	var p picture
	if err = json.Unmarshal(raw, &p); err == nil {
		made.Bytes, err = base64.StdEncoding.DecodeString(p.Image)
	}
	switch {
	case p.Finish == "CONTENT_FILTERED":
		e := wire.Errorf(http.StatusBadRequest, "content_filter", "the image was filtered by Stability's content policy")
		e.Class = wire.ClassContentFilter
		return made, e
	case err != nil || len(made.Bytes) == 0:
		return made, wire.Errorf(http.StatusBadGateway, "invalid_answer", "the upstream's answer holds no image")
	}
	return made, nil
}

// nth is the request for image i: another seed makes another image.
func (j *job) nth(i int) *job {
	seed, err := strconv.ParseInt(j.fields["seed"], 10, 64)
	if err != nil || i == 0 {
		return j
	}
	fields := maps.Clone(j.fields)
	fields["seed"] = strconv.FormatInt(seed+int64(i), 10)
	return &job{j.url, fields, j.files}
}

func (j *job) write(w *multipart.Writer) error {
	for _, name := range slices.Sorted(maps.Keys(j.fields)) {
		if err := w.WriteField(name, j.fields[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.files)) {
		if err := j.files[name].CopyTo(w, name); err != nil {
			return err
		}
	}
	return nil
}
