package main

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Sources: https://ai.google.dev/gemini-api/docs/image-generation, https://
// docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api
// and google.golang.org/genai v1.77, November 2026.

// images serves OpenAI's images: Imagen by its own method, which Vertex AI
// alone has, and Gemini's image models by a chat that answers in pictures.
func (s *service) images(r *provider.Request, w *provider.Writer) error {
	q, err := media.ReadImage(r.Body())
	if err != nil {
		return err
	}
	if q.ResponseFormat == "url" {
		return media.Bad("response_format", `is "url", and Google keeps no images: want "b64_json"`)
	}
	i := picture{caller: s.caller(r), q: q}
	i.imagen = strings.HasPrefix(i.model, "imagen")
	if i.imagen && !s.vertex {
		return media.Bad("model", "%s is served by Vertex AI alone: want one of Gemini's image models", i.model)
	}
	dropped := i.dropped()
	if err := media.Drop(r, w, dropped...); err != nil {
		return err
	}
	ask := i.generate
	if i.imagen {
		ask = i.predict
	}
	list, u, err := ask()
	if err != nil {
		return err
	}
	u.Images = int64(len(list))
	w.Usage(u)
	return w.JSON(media.AppendImages(nil, s.now().Unix(), i.format, list))
}

// picture is one request for images.
type picture struct {
	*caller
	q      *media.Image
	imagen bool

	ratio, size string // as Google has them, "": its own
	format      string // of the images that were made
}

// ratios are the shapes that each kind of model makes.
var (
	geminiRatios = []string{"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
	imagenRatios = []string{"1:1", "3:4", "4:3", "9:16", "16:9"}
)

// dropped decides what can be carried, and names what cannot.
func (i *picture) dropped() []string {
	q := i.q
	out := slices.Collect(maps.Keys(q.Other))
	if !i.shape() {
		out = append(out, "size")
	}
	for _, p := range []struct{ name, value string }{{"quality", q.Quality}, {"style", q.Style}, {"background", q.Background}} {
		if p.value != "" && p.value != "auto" {
			out = append(out, p.name)
		}
	}
	if q.Seed != nil && i.imagen { // which has it without watermarks alone
		out = append(out, "seed")
	}
	if q.NegativePrompt != "" && !i.imagen {
		out = append(out, "negative_prompt")
	}
	if q.OutputFormat != "" && !i.imagen || q.OutputFormat == "webp" {
		out = append(out, "output_format")
	}
	return out
}

// shape turns "1536x1024" into a ratio and a size, false if there is none like it.
func (i *picture) shape() bool {
	if i.q.Size == "" || i.q.Size == "auto" {
		return true
	}
	a, b, ok := strings.Cut(i.q.Size, "x")
	width, err1 := strconv.Atoi(a)
	height, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || width <= 0 || height <= 0 {
		return false
	}
	ratios, wanted, off := geminiRatios, math.Log(float64(width)/float64(height)), math.Inf(1)
	if i.imagen {
		ratios = imagenRatios
	}
	for _, r := range ratios {
		a, b, _ := strings.Cut(r, ":")
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		if d := math.Abs(math.Log(float64(x)/float64(y)) - wanted); d < off {
			i.ratio, off = r, d
		}
	}
	switch longest := max(width, height); {
	case strings.Contains(i.model, "gemini-2"): // makes one size
	case longest > 2048 && !i.imagen:
		i.size = "4K"
	case longest > 1600:
		i.size = "2K"
	}
	return off < 0.03 // 3 %
}

// generate asks a Gemini model as often as images are wanted.
func (i *picture) generate() ([]media.Made, wire.Usage, error) {
	type shape struct {
		Ratio string `json:"aspectRatio,omitempty"`
		Size  string `json:"imageSize,omitempty"`
	}
	type settings struct {
		Modalities []string `json:"responseModalities"`
		Image      *shape   `json:"imageConfig,omitempty"`
		Seed       *int64   `json:"seed,omitempty"`
	}
	in := struct {
		Contents []content `json:"contents"`
		Settings settings  `json:"generationConfig"`
	}{[]content{{Role: "user", Parts: []part{{Text: i.q.Prompt}}}}, settings{Modalities: []string{"IMAGE"}, Seed: i.q.Seed}}
	if s := (shape{i.ratio, i.size}); s != (shape{}) {
		in.Settings.Image = &s
	}
	answers, raws, failed := make([]made, i.q.N), make([][]byte, i.q.N), make([]error, i.q.N)
	var wg sync.WaitGroup
	for n := range i.q.N {
		wg.Go(func() { raws[n], failed[n] = i.ask("generateContent", in, &answers[n]) })
	}
	wg.Wait()
	var list []media.Made
	var u wire.Usage
	for n := range answers {
		if failed[n] != nil {
			return nil, u, failed[n]
		}
		used, _ := wire.ReadUsage(wire.GeminiGenerate, raws[n])
		add(&u, used)
		list = append(list, i.taken(&answers[n])...)
	}
	if len(list) == 0 {
		return nil, u, answers[0].withheld("image")
	}
	return list, u, nil
}

// taken are the images of an answer that are not thoughts.
func (i *picture) taken(m *made) (list []media.Made) {
	for _, c := range m.Candidates {
		for _, p := range c.Content.Parts {
			if format, ok := strings.CutPrefix(p.InlineData.MimeType, "image/"); ok && !p.Thought {
				i.format = format
				list = append(list, media.Made{Bytes: p.InlineData.Data})
			}
		}
	}
	return list
}

// add adds up the tokens of several answers.
func add(u *wire.Usage, v wire.Usage) {
	u.Input += v.Input
	u.CacheRead += v.CacheRead
	u.Output += v.Output
	u.Reasoning += v.Reasoning
	u.ImageInput += v.ImageInput
	u.ImageOutput += v.ImageOutput
}

// predict asks Imagen.
func (i *picture) predict() ([]media.Made, wire.Usage, error) {
	type output struct {
		MimeType string `json:"mimeType"`
	}
	type settings struct {
		Count    int     `json:"sampleCount"`
		Ratio    string  `json:"aspectRatio,omitempty"`
		Size     string  `json:"sampleImageSize,omitempty"`
		Negative string  `json:"negativePrompt,omitempty"`
		Reason   bool    `json:"includeRaiReason"`
		Output   *output `json:"outputOptions,omitempty"`
	}
	type instance struct {
		Prompt string `json:"prompt"`
	}
	in := struct {
		Instances []instance `json:"instances"`
		Settings  settings   `json:"parameters"`
	}{[]instance{{i.q.Prompt}}, settings{Count: i.q.N, Ratio: i.ratio, Size: i.size, Negative: i.q.NegativePrompt, Reason: true}}
	if f := i.q.OutputFormat; f == "jpeg" || f == "png" {
		in.Settings.Output = &output{"image/" + f}
	}
	var out struct {
		Predictions []struct {
			Bytes    []byte `json:"bytesBase64Encoded"`
			MimeType string `json:"mimeType"`
			Prompt   string `json:"prompt"`
			Filtered string `json:"raiFilteredReason"`
		} `json:"predictions"`
	}
	if _, err := i.ask("predict", in, &out); err != nil {
		return nil, wire.Usage{}, err
	}
	var list []media.Made
	filtered := "it gave no reason"
	for _, p := range out.Predictions {
		if len(p.Bytes) > 0 {
			i.format = strings.TrimPrefix(p.MimeType, "image/")
			list = append(list, media.Made{Bytes: p.Bytes, RevisedPrompt: p.Prompt})
		} else if p.Filtered != "" {
			filtered = p.Filtered
		}
	}
	if len(list) == 0 {
		e := wire.Errorf(http.StatusBadRequest, "content_filter", "the model withheld the image: %s", filtered)
		e.Class = wire.ClassContentFilter
		return nil, wire.Usage{}, e
	}
	return list, wire.Usage{}, nil
}
