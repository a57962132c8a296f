package main

import (
	"encoding/json"
	"maps"
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

// embed asks for feature extraction. HF Inference tells no usage.
func (s *service) embed(r *provider.Request, w *provider.Writer) error {
	ask, err := media.ReadEmbeddings(r.Body())
	if err != nil {
		return err
	}
	dropped := slices.DeleteFunc(ask.Dropped, func(name string) bool { return name == "user" })
	if ask.Dimensions > 0 {
		dropped = append(dropped, "dimensions")
	}
	if ask.InputType != "" {
		dropped = append(dropped, "input_type")
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	req, err := s.task(r, "/pipeline/feature-extraction")
	if err != nil {
		return err
	}
	raw, err := s.post(req, map[string]any{"inputs": ask.Input, "normalize": true})
	if err != nil {
		return err
	}
	var vectors [][]float32
	if json.Unmarshal(raw, &vectors) != nil || len(vectors) != len(ask.Input) {
		return badAnswer("a vector for each input; choose a model for sentences")
	}
	return w.JSON(ask.Append(nil, vectors, wire.Usage{}))
}

// own are parameters of text-to-image that callers may add to OpenAI's.
var own = []string{"guidance_scale", "num_inference_steps", "scheduler"}

// draw asks for each image by itself, all at once. When some fail the others
// are answered: they are paid for.
func (s *service) draw(r *provider.Request, w *provider.Writer) error {
	ask, err := media.ReadImage(r.Body())
	if err != nil {
		return err
	}
	if ask.ResponseFormat == "url" {
		return media.Bad("response_format", `"url" is not offered by HF Inference; want b64_json`)
	}
	parameters, dropped, err := drawing(ask)
	if err != nil {
		return err
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	all, failed := make([]media.Made, ask.N), make([]error, ask.N)
	var running sync.WaitGroup
	for i := range all {
		req, err := s.task(r, "") // r is for one goroutine
		if err != nil {
			failed[i] = err
			continue
		}
		running.Go(func() { all[i].Bytes, failed[i] = s.picture(req, ask, parameters, i) })
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
	return w.JSON(media.AppendImages(nil, time.Now().Unix(), "", made))
}

func (s *service) picture(req *http.Request, ask *media.Image, parameters map[string]any, i int) ([]byte, error) {
	parameters = maps.Clone(parameters)
	if ask.Seed != nil {
		parameters["seed"] = *ask.Seed + int64(i) // another seed makes another image
	}
	req.Header.Set("Accept", "image/png")
	raw, err := s.post(req, map[string]any{"inputs": ask.Prompt, "parameters": parameters})
	if err == nil && (len(raw) == 0 || raw[0] == '{' || raw[0] == '[') {
		err = badAnswer("an image")
	}
	return raw, err
}

// drawing makes the parameters of a request for images.
func drawing(ask *media.Image) (parameters map[string]any, dropped []string, err error) {
	parameters = map[string]any{}
	if ask.NegativePrompt != "" {
		parameters["negative_prompt"] = ask.NegativePrompt
	}
	if ask.Size != "" && ask.Size != "auto" {
		width, height, _ := strings.Cut(ask.Size, "x")
		w, errW := strconv.ParseUint(width, 10, 16)
		h, errH := strconv.ParseUint(height, 10, 16)
		if errW != nil || errH != nil || w == 0 || h == 0 {
			return nil, nil, media.Bad("size", "%q is not of the form 1024x1024", ask.Size)
		}
		parameters["width"], parameters["height"] = w, h
	}
	for name, v := range map[string]string{"quality": ask.Quality, "style": ask.Style, "background": ask.Background, "output_format": ask.OutputFormat} {
		if v != "" && v != "auto" {
			dropped = append(dropped, name)
		}
	}
	for name, v := range ask.Other {
		if slices.Contains(own, name) {
			parameters[name] = v
		} else {
			dropped = append(dropped, name)
		}
	}
	return parameters, dropped, nil
}

// transcribe sends the audio alone, as HF Inference takes it without holding it
// as text. It tells neither times nor the recording's length then.
func (s *service) transcribe(r *provider.Request, w *provider.Writer) error {
	rec, err := media.ReadRecording(r, s.MaxMB<<20)
	if err != nil {
		return err
	}
	defer rec.Close()
	if rec.Format == media.SRT || rec.Format == media.VTT {
		return media.Bad("response_format", "%q needs times, which HF Inference does not tell; want json, text or verbose_json", rec.Format)
	}
	dropped := slices.Sorted(maps.Keys(rec.Other))
	for name, given := range map[string]bool{"language": rec.Language != "", "prompt": rec.Prompt != "", "timestamp_granularities": rec.Words} {
		if given {
			dropped = append(dropped, name)
		}
	}
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	req, err := s.task(r, "")
	if err != nil {
		return err
	}
	var contentType string
	req.Body, req.ContentLength, contentType = rec.Body()
	req.Header.Set("Content-Type", contentType)
	raw, err := s.do(req)
	if err != nil {
		return err
	}
	var in struct{ Text *string }
	if json.Unmarshal(raw, &in) != nil || in.Text == nil {
		return badAnswer("a transcript")
	}
	t := &media.Transcript{Text: strings.TrimSpace(*in.Text)}
	return t.Answer(w, rec.Format, rec.Words, rec.Stream)
}
