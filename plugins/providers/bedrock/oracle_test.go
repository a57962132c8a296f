package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// capture keeps the request that AWS's client sends, and answers it.
type capture struct {
	answer string
	path   string
	body   []byte
	head   http.Header
}

func (c *capture) Do(r *http.Request) (*http.Response, error) {
	c.path, c.head = r.URL.EscapedPath(), r.Header
	c.body, _ = io.ReadAll(r.Body)
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(c.answer))}, nil
}

func (c *capture) client() *bedrockruntime.Client {
	return bedrockruntime.New(bedrockruntime.Options{Region: "eu-central-1", HTTPClient: c,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		})})
}

// TestRequestsAreAsAWSWrites: the same request by the adapter, from OpenAI's
// dialect, and by AWS's own client: same path, same JSON, signed headers alike.
func TestRequestsAreAsAWSWrites(t *testing.T) {
	const model = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
	schema := map[string]any{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []any{"city"}, "additionalProperties": false}
	text := func(s string) types.ContentBlock { return &types.ContentBlockMemberText{Value: s} }
	in := &bedrockruntime.ConverseInput{
		ModelId: aws.String(model),
		System: []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: "Be brief."},
			&types.SystemContentBlockMemberCachePoint{Value: types.CachePointBlock{Type: types.CachePointTypeDefault, Ttl: types.CacheTTLOneHour}}},
		Messages: []types.Message{
			{Role: "user", Content: []types.ContentBlock{text("Grüße \"you\" \u2028 <b>"),
				&types.ContentBlockMemberImage{Value: types.ImageBlock{Format: "png", Source: &types.ImageSourceMemberBytes{Value: []byte("hi")}}},
				&types.ContentBlockMemberDocument{Value: types.DocumentBlock{Format: "pdf", Name: aws.String("a-pdf"), Source: &types.DocumentSourceMemberBytes{Value: []byte("%PDF")}}},
				&types.ContentBlockMemberCachePoint{Value: types.CachePointBlock{Type: types.CachePointTypeDefault}}}},
			{Role: "assistant", Content: []types.ContentBlock{
				&types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberReasoningText{Value: types.ReasoningTextBlock{Text: aws.String("hm"), Signature: aws.String("c2ln")}}},
				&types.ContentBlockMemberReasoningContent{Value: &types.ReasoningContentBlockMemberRedactedContent{Value: []byte("data")}},
				&types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: aws.String("call_1"), Name: aws.String("weather"), Input: document.NewLazyDocument(map[string]any{"city": "Köln"})}}}},
			{Role: "user", Content: []types.ContentBlock{&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
				ToolUseId: aws.String("call_1"), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: "21"}}}}, text("So?")}},
		},
		InferenceConfig: &types.InferenceConfiguration{MaxTokens: aws.Int32(4096), StopSequences: []string{"END"}, Temperature: aws.Float32(0.5)},
		ToolConfig: &types.ToolConfiguration{
			Tools: []types.Tool{&types.ToolMemberToolSpec{Value: types.ToolSpecification{Name: aws.String("weather"), Description: aws.String("of a city"),
				InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(schema)}, Strict: aws.Bool(true)}}},
			ToolChoice: &types.ToolChoiceMemberTool{Value: types.SpecificToolChoice{Name: aws.String("weather")}}},
		OutputConfig: &types.OutputConfig{TextFormat: &types.OutputFormat{Type: "json_schema", Structure: &types.OutputFormatStructureMemberJsonSchema{
			Value: types.JsonSchemaDefinition{Name: aws.String("reply"), Schema: aws.String(`{"type":"object"}`)}}}},
		AdditionalModelRequestFields: document.NewLazyDocument(map[string]any{"top_k": 40}),
		ServiceTier:                  &types.ServiceTier{Type: types.ServiceTierTypeFlex},
	}
	vendor := &capture{answer: hello}
	if _, err := vendor.client().Converse(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	u := &upstream{t: t, answer: says(200, "", hello)}
	a := start(t, u, "").Do(t, providertest.Request{Op: wire.OpChat, Dialect: wire.OpenAIChat, Model: model, Credential: static, Body: `{"model":"m",
"max_tokens":4096,"temperature":0.5,"top_k":40,"stop":["END"],"service_tier":"flex",
"messages":[{"role":"system","content":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
{"role":"user","content":[{"type":"text","text":"Grüße \"you\" \u2028 <b>"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}},
 {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="},"cache_control":{"type":"ephemeral"}}]},
{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"c2ln","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"ZGF0YQ==","format":"anthropic-claude-v1","index":1}],
 "tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Köln\"}"}}]},
{"role":"tool","tool_call_id":"call_1","content":"21"},{"role":"user","content":"So?"}],
"tools":[{"type":"function","function":{"name":"weather","description":"of a city","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false},"strict":true}}],
"tool_choice":{"type":"function","function":{"name":"weather"}},
"response_format":{"type":"json_schema","json_schema":{"name":"reply","schema":{"type":"object"}}}}`})
	if a.Status != 200 || a.Header.Get("X-Signalbox-Dropped-Params") != "" {
		t.Fatalf("%d %s, dropped %s", a.Status, a.Body, a.Header.Get("X-Signalbox-Dropped-Params"))
	}
	if u.path != vendor.path {
		t.Errorf("path %s; AWS's client has %s", u.path, vendor.path)
	}
	var got, want any
	if json.Unmarshal(u.body, &got) != nil || json.Unmarshal(vendor.body, &want) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("body\n%s\nAWS's client has\n%s", u.body, vendor.body)
	}
	if mine, theirs := scope(u.head), scope(vendor.head); mine != theirs {
		t.Errorf("scope %s; AWS's client has %s", mine, theirs)
	}
}

// scope is where a signature is good: key, day, region, service.
func scope(h http.Header) string {
	_, s, _ := strings.Cut(h.Get("Authorization"), "Credential=")
	s, _, _ = strings.Cut(s, ",")
	return s
}

// TestMessagesAreTheVendors: the messages that the adapter writes, read and
// written again by AWS's own types, are the same.
func TestMessagesAreTheVendors(t *testing.T) {
	u := &upstream{t: t, answer: says(200, "", hello)}
	a := start(t, u, "")
	f := func(dialect wire.Dialect, body string) {
		t.Helper()
		r := providertest.Request{Op: wire.OpChat, Dialect: dialect, Model: "anthropic.claude-sonnet-4-5-20250929-v1:0", Credential: static, Body: body}
		if got := a.Do(t, r); got.Status != 200 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		var sent struct{ Messages []json.RawMessage }
		if err := json.Unmarshal(u.body, &sent); err != nil {
			t.Fatal(err)
		}
		for _, m := range sent.Messages {
			vendor := &capture{answer: `{"output":{"message":` + string(m) + `},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}`}
			out, err := vendor.client().Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String("m")})
			if err != nil {
				t.Fatal(err)
			}
			read := out.Output.(*types.ConverseOutputMemberMessage).Value
			if _, err := vendor.client().Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String("m"), Messages: []types.Message{read}}); err != nil {
				t.Fatal(err)
			}
			var back struct{ Messages []any }
			var mine any
			if json.Unmarshal(vendor.body, &back) != nil || json.Unmarshal(m, &mine) != nil || len(back.Messages) != 1 || !reflect.DeepEqual(back.Messages[0], mine) {
				t.Errorf("AWS's types know %s\nof %s", vendor.body, m)
			}
		}
	}
	f(wire.AnthropicMessages, `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":[
{"type":"document","title":"a","source":{"type":"text","media_type":"text/plain","data":"one"}},
{"type":"document","source":{"type":"content","content":[{"type":"text","text":"two"}]}},{"type":"text","text":"?"}]},
{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":[1,null,"x"]}}]},
{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","is_error":true,"content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/webp","data":"aGk="}}]}]}],
"tools":[{"name":"f","input_schema":{"type":"object"}}]}`)
	f(wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"?"},{"type":"input_audio","input_audio":{"data":"aGk=","format":"mp3"}},{"type":"image_url","image_url":{"url":"s3://bucket/a.png"}}]}]}`)
}
