package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
	"github.com/openai/openai-go/v3"
)

// mediaRoutes is what OpenAI has beside text.
func mediaRoutes(m *http.ServeMux) {
	m.HandleFunc("POST /v1/images/generations", func(w http.ResponseWriter, r *http.Request) {
		if q, ok := asked[openai.ImageGenerateParams](w, r); ok {
			writeJSON(w, 200, checked[openai.ImagesResponse](openAI, fmt.Sprintf(`{"created":1790000000,"data":[{"b64_json":%s}],"usage":{"input_tokens":9,"input_tokens_details":{"text_tokens":9,"image_tokens":0},"output_tokens":272,"total_tokens":281}}`, base64Of(q.Prompt))))
		}
	})
	m.HandleFunc("POST /v1/audio/speech", func(w http.ResponseWriter, r *http.Request) {
		if q, ok := asked[openai.AudioSpeechNewParams](w, r); ok {
			w.Header().Set("Content-Type", "audio/mpeg")
			_, _ = io.WriteString(w, "ID3 "+q.Input)
		}
	})
	m.HandleFunc("POST /v1/moderations", func(w http.ResponseWriter, r *http.Request) {
		if q, ok := asked[openai.ModerationNewParams](w, r); ok {
			writeJSON(w, 200, checked[openai.ModerationNewResponse](openAI, fmt.Sprintf(
				`{"id":"modr-1","model":"omni-moderation-2026","results":[{"flagged":%t,"categories":{},"category_scores":{},"category_applied_input_types":{}}]}`, strings.Contains(q.Input.OfString.Value, "violence"))))
		}
	})
	m.HandleFunc("POST /v1/completions", func(w http.ResponseWriter, r *http.Request) {
		if q, ok := asked[openai.CompletionNewParams](w, r); ok {
			writeJSON(w, 200, checked[openai.Completion](openAI, fmt.Sprintf(
				`{"id":"cmpl-1","object":"text_completion","created":1790000000,"model":"words","choices":[{"text":%s,"index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":4,"total_tokens":8}}`, quoted(q.Prompt.OfString.Value))))
		}
	})
	m.HandleFunc("POST /v1/audio/transcriptions", heard)
	m.HandleFunc("POST /v1/audio/translations", heard)
	m.HandleFunc("POST /v1/images/edits", edited)
	m.HandleFunc("GET /v1/realtime", realtime)
}

// asked reads a request by the type of OpenAI's own client.
func asked[T any](w http.ResponseWriter, r *http.Request) (q T, ok bool) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err != nil {
		openAI.fault("%s: cannot be read by OpenAI's types: %v", r.URL.Path, err)
		openAIFail(w, unreadable)
		return q, false
	}
	var more struct{ Model string }
	_ = json.Unmarshal(body, &more) // it could be read before
	if f, scripted := failures[more.Model]; scripted {
		openAIFail(w, f)
		return q, false
	}
	return q, true
}

// upload reads a form's file, "" if there is none; a failure is answered.
func upload(w http.ResponseWriter, r *http.Request, field string) (content string, ok bool) {
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		openAI.fault("%s: %v", r.URL.Path, err)
		openAIFail(w, unreadable)
		return "", false
	}
	if f, scripted := failures[r.FormValue("model")]; scripted {
		openAIFail(w, f)
		return "", false
	}
	f, _, err := r.FormFile(field)
	if err != nil {
		openAI.fault("%s: %v", r.URL.Path, err)
		openAIFail(w, unreadable)
		return "", false
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		openAI.fault("%s: %v", r.URL.Path, err)
	}
	return string(raw), err == nil
}

func heard(w http.ResponseWriter, r *http.Request) {
	if content, ok := upload(w, r, "file"); ok {
		writeJSON(w, 200, checked[openai.Transcription](openAI, fmt.Sprintf(
			`{"text":"%d bytes for %s","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":4,"total_tokens":18}}`, len(content), r.FormValue("model"))))
	}
}

func edited(w http.ResponseWriter, r *http.Request) {
	if content, ok := upload(w, r, "image"); ok {
		writeJSON(w, 200, checked[openai.ImagesResponse](openAI, fmt.Sprintf(`{"created":1790000000,"data":[{"b64_json":%s}],"usage":{"input_tokens":9,"input_tokens_details":{"text_tokens":5,"image_tokens":4},"output_tokens":272,"total_tokens":281}}`, base64Of(content))))
	}
}

// realtime plays a session: each response says what was last told.
func realtime(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"realtime"}})
	if err != nil {
		openAI.fault("a session cannot be accepted: %v", err)
		return
	}
	defer c.CloseNow()
	send := func(format string, args ...any) {
		_ = c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...)) // a caller who is gone shows at the next read
	}
	send(`{"type":"session.created","event_id":"event_1","session":{"type":"realtime","object":"realtime.session","id":"sess_1","model":%q}}`, r.URL.Query().Get("model"))
	for told := ""; ; {
		var e struct {
			Type string
			Item struct {
				Content []struct{ Text string }
			}
		}
		if err := read(r.Context(), c, &e); err != nil {
			return
		}
		switch {
		case e.Type == "conversation.item.create" && len(e.Item.Content) > 0:
			told = e.Item.Content[0].Text
		case e.Type == "response.create":
			send(`{"type":"response.output_text.delta","event_id":"event_2","response_id":"resp_1","item_id":"item_1","output_index":0,"content_index":0,"delta":%s}`, quoted(told))
			send(`{"type":"response.done","event_id":"event_3","response":{"object":"realtime.response","id":"resp_1","status":"completed","output":[],"usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10,"input_token_details":{"text_tokens":20},"output_token_details":{"text_tokens":10}}}}`)
		default:
			send(`{"type":"error","event_id":"event_4","error":{"type":"invalid_request_error","code":"unknown_event","message":"The event is not known"}}`)
		}
	}
}

func read(ctx context.Context, c *websocket.Conn, v any) error {
	_, b, err := c.Read(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
