// Command clock is a tool server of the Model Context Protocol, over its
// standard input and output: it tells the time and adds numbers.
package main

import (
	"context"
	"log"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type where struct {
	Zone string `json:"zone" jsonschema:"an IANA time zone such as Europe/Vienna"`
}

type now struct {
	Time string `json:"time" jsonschema:"RFC 3339"`
}

func tell(_ context.Context, _ *mcp.CallToolRequest, in where) (*mcp.CallToolResult, now, error) {
	zone, err := time.LoadLocation(in.Zone)
	if err != nil {
		return nil, now{}, err
	}
	return nil, now{time.Now().In(zone).Format(time.RFC3339)}, nil
}

type numbers struct {
	Numbers []float64 `json:"numbers" jsonschema:"what is to be added"`
}

type sum struct {
	Sum float64 `json:"sum"`
}

func add(_ context.Context, _ *mcp.CallToolRequest, in numbers) (*mcp.CallToolResult, sum, error) {
	var out sum
	for _, n := range in.Numbers {
		out.Sum += n
	}
	return nil, out, nil
}

func main() {
	s := mcp.NewServer(&mcp.Implementation{Name: "clock", Version: "1.0.0"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "now", Description: "Tells the time in a zone."}, tell)
	mcp.AddTool(s, &mcp.Tool{Name: "add", Description: "Adds numbers."}, add)
	if err := s.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		log.Fatal(err)
	}
}
