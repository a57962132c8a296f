package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/openai/openai-go/v3/responses"
)

// responsesAsk is a request for a response as the mock of OpenAI understands it.
type responsesAsk struct {
	responses.ResponseNewParams
	stream bool
	text   string // of the last item
	tools  []string
}

func readResponses(r *http.Request) (a responsesAsk, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(body, &a.ResponseNewParams); err != nil {
		return a, err
	}
	var more struct {
		Stream bool
		Input  json.RawMessage
		Tools  []struct{ Name string }
	}
	if err := json.Unmarshal(body, &more); err != nil {
		return a, err
	}
	a.stream = more.Stream
	for _, t := range more.Tools {
		a.tools = append(a.tools, t.Name)
	}
	a.text, err = responsesText(more.Input)
	return a, err
}

// responsesText is the text of the last item of an input.
func responsesText(input json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(input, &text) == nil {
		return text, nil
	}
	var items []struct {
		Content json.RawMessage
		Output  string
		Text    string
	}
	if err := json.Unmarshal(input, &items); err != nil || len(items) == 0 {
		return "", err
	}
	last := items[len(items)-1]
	if len(last.Content) > 0 {
		return responsesText(last.Content)
	}
	return last.Output + last.Text, nil
}

func openAIResponses(w http.ResponseWriter, r *http.Request) {
	a, err := readResponses(r)
	f, scripted := failures[a.Model]
	switch {
	case err != nil:
		openAI.fault("a request for a response cannot be read by OpenAI's types: %v", err)
		openAIFail(w, unreadable)
	case scripted:
		openAIFail(w, f)
	case a.text == "":
		openAIFail(w, noMessages)
	case a.Model != "echo" && a.Model != "cut":
		openAIFail(w, noModel)
	case a.text == jsonPrompt && a.Text.Format.OfJSONSchema == nil:
		openAIFail(w, noSchema)
	case a.stream:
		a.play(newEvents(w, openAI))
	default:
		writeJSON(w, 200, checked[responses.Response](openAI, a.response("completed", a.item("completed"))))
	}
}

func (a *responsesAsk) item(status string) string {
	if name, args, ok := toolCall(a.text, a.tools); ok {
		if status != "completed" {
			args = ""
		}
		return fmt.Sprintf(`{"type":"function_call","id":"fc_1","call_id":"call_1","name":%q,"arguments":%s,"status":%q}`, name, quoted(args), status)
	}
	content := ""
	if status == "completed" {
		content = a.part(a.text)
	}
	return fmt.Sprintf(`{"type":"message","id":"msg_1","status":%q,"role":"assistant","content":[%s]}`, status, content)
}

func (a *responsesAsk) part(text string) string {
	return `{"type":"output_text","text":` + quoted(text) + `,"annotations":[],"logprobs":[]}`
}

func (a *responsesAsk) response(status, items string) string {
	usage, n := "null", tokens(a.text)
	if status == "completed" {
		usage = fmt.Sprintf(`{"input_tokens":%d,"input_tokens_details":{"cached_tokens":1},"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":%d}`, n, n, 2*n)
	}
	return fmt.Sprintf(`{"id":"resp_1","object":"response","created_at":1790000000,"status":%q,"error":null,"incomplete_details":null,"instructions":null,"model":"echo-2026-01-01",`+
		`"output":[%s],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"metadata":{},"usage":%s,"a_field_of_tomorrow":1}`, status, items, usage)
}

func (a *responsesAsk) play(e events) {
	n := 0
	send := func(typ, rest string) {
		e.raw("event: " + typ + "\ndata: " + checked[responses.ResponseStreamEventUnion](openAI, fmt.Sprintf(`{"type":%q,"sequence_number":%d%s}`, typ, n, rest)) + "\n\n")
		n++
	}
	at := `,"item_id":"msg_1","output_index":0,"content_index":0`
	send("response.created", `,"response":`+a.response("in_progress", ""))
	send("response.output_item.added", `,"output_index":0,"item":`+a.item("in_progress"))
	if _, args, ok := toolCall(a.text, a.tools); ok {
		at = `,"item_id":"fc_1","output_index":0`
		for _, half := range halves(args) {
			send("response.function_call_arguments.delta", at+`,"delta":`+quoted(half))
		}
		send("response.function_call_arguments.done", at+`,"name":"`+a.tools[0]+`","arguments":`+quoted(args))
	} else {
		send("response.content_part.added", at+`,"part":`+a.part(""))
		for _, word := range words(a.text) {
			send("response.output_text.delta", at+`,"logprobs":[],"delta":`+quoted(word))
		}
		if a.Model == "cut" {
			e.cut()
		}
		send("response.output_text.done", at+`,"logprobs":[],"text":`+quoted(a.text))
		send("response.content_part.done", at+`,"part":`+a.part(a.text))
	}
	send("response.output_item.done", `,"output_index":0,"item":`+a.item("completed"))
	send("response.completed", `,"response":`+a.response("completed", a.item("completed")))
}
