package main

import (
	"bytes"
	"encoding/base64"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/signalbox-ai/signalbox/sdk/provider/media"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

const imageModel = "image"

// uploadLimit is what the demo takes of files that it keeps for a moment.
const uploadLimit = 64 << 20

func (d *demo) images(r *provider.Request, w *provider.Writer) error {
	_, c, _, err := d.begin(r, imageModel)
	if err != nil {
		return err
	}
	ask, err := media.ReadImage(r.Body())
	if err != nil {
		return err
	}
	return draw(w, &c, ask, "")
}

// edits draws what depends on the prompt and on the bytes of the images.
func (d *demo) edits(r *provider.Request, w *provider.Writer) error {
	up, err := media.ReadUpload(r.Reader(), r.ContentType(), uploadLimit)
	if err != nil {
		return err
	}
	defer up.Close()
	name := r.Model()
	if name == "" {
		name = up.Get("model")
	}
	c, err := d.obey(r, name, formControls(up.Get("demo")), []string{imageModel})
	if err != nil {
		return err
	}
	ask, err := media.ImageOfForm(up)
	if err != nil {
		return err
	}
	if up.File("image") == nil {
		return invalid("image", "a file")
	}
	seed := ""
	for _, f := range up.Files {
		raw, err := media.All(f)
		if err != nil {
			return err
		}
		seed += string(raw)
	}
	return draw(w, &c, ask, seed)
}

// formControls are the controls of a form's field demo, in the query form, where
// those of a JSON body are found.
func formControls(query string) *fastjson.Value {
	raw := append(quote([]byte(`{"metadata":{"demo":`), query), "}}"...)
	return fastjson.MustParseBytes(raw)
}

func draw(w *provider.Writer, c *controls, ask *media.Image, seed string) error {
	list := make([]media.Made, ask.N)
	for i := range list {
		raw, err := picture(seed + ask.Prompt + "#" + strconv.Itoa(i))
		if err != nil {
			return err
		}
		list[i].Bytes = raw
		if ask.ResponseFormat == "url" {
			list[i] = media.Made{URL: "data:image/png;base64," + base64.StdEncoding.EncodeToString(raw)}
		}
	}
	at, err := strconv.ParseInt(created, 10, 64)
	if err != nil {
		return err
	}
	w.Usage(wire.Usage{Images: int64(len(list))})
	return reply(w, c, media.AppendImages(nil, at, "png", list))
}

// picture is a PNG of 8 × 8 pixels whose colours depend on text alone.
func picture(text string) ([]byte, error) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	bits := h.Sum64()
	img := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{
		color.RGBA{uint8(bits), uint8(bits >> 8), uint8(bits >> 16), 255}, color.White})
	for i := range img.Pix {
		img.Pix[i] = uint8(bits >> i & 1)
	}
	var out bytes.Buffer
	err := png.Encode(&out, img)
	return out.Bytes(), err
}
