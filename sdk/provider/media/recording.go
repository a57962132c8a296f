package media

import (
	"io"
	"slices"

	"github.com/signalbox-ai/signalbox/sdk/provider"
)

// Recording is a request for a transcription, for upstreams that want the
// audio alone and everything else before it.
type Recording struct {
	Audio    *File
	Language string // "": not said
	Prompt   string // "": not said
	Format   Format
	Words    bool // timestamps of words are wanted
	Stream   bool // events are wanted
	Other    map[string][]string

	upload *Upload
}

// ReadRecording reads the form of a transcription, a file of limit bytes at
// most. It must be closed.
func ReadRecording(r *provider.Request, limit int64) (*Recording, error) {
	up, err := ReadUpload(r.Reader(), r.ContentType(), limit)
	if err != nil {
		return nil, err
	}
	rec := &Recording{upload: up, Audio: up.File("file"), Other: up.Fields, Language: up.Get("language"), Prompt: up.Get("prompt"),
		Words: slices.Contains(up.Fields["timestamp_granularities"], "word"), Stream: up.Get("stream") == "true"}
	rec.Format, err = ParseFormat(up.Get("response_format"))
	if err == nil && (rec.Audio == nil || len(up.Files) > 1) {
		err = Bad("file", "want one file of that name: the audio")
	}
	if err != nil {
		up.Close()
		return nil, err
	}
	for _, name := range []string{"model", "language", "prompt", "response_format", "timestamp_granularities", "stream"} {
		delete(up.Fields, name)
	}
	return rec, nil
}

// Body is the audio as the body of a request, with its content type.
func (r *Recording) Body() (body io.ReadCloser, size int64, contentType string) {
	contentType = r.Audio.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return io.NopCloser(r.Audio), r.Audio.Size(), contentType
}

// Close frees the audio.
func (r *Recording) Close() { r.upload.Close() }
