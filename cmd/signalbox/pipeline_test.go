package main

import (
	"os"
	"regexp"
	"testing"
)

func TestPipelinesPage(t *testing.T) { open(t, "../../docs/pipelines.md").play(t, 1) }

// TestPipelineExamples plays what the examples' page shows, in a copy of their folder.
func TestPipelineExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/pipelines")); err != nil {
		t.Fatal(err)
	}
	session := ""
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(open(t, "../../examples/pipelines/README.md").text, -1) {
		session += block[1] // one gateway serves all of them
	}
	playIn(t, dir, session)
	sound, err := os.ReadFile(dir + "/out/audio.wav")
	if err != nil || len(sound) < 1000 || string(sound[:4]) != "RIFF" {
		t.Errorf("the assistant has said %d bytes, %v", len(sound), err)
	}
}

// TestPipelineExamplesOnRealModels checks that nothing but models has to change.
func TestPipelineExamplesOnRealModels(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "x")
	t.Setenv("ANTHROPIC_API_KEY", "y")
	t.Setenv("SIGNALBOX_DEV_KEY", "sb-dev-for-this-machine-only")
	if err := checkPipelineFiles(&sources{file: "../../examples/pipelines/signalbox-openai.yaml"}, nil, newCheckReport()); err != nil {
		t.Error(err)
	}
}
