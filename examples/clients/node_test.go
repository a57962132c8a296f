package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The clients for node run their scripts against every way to an answer.
func TestNode(t *testing.T) {
	modules(t)
	for _, script := range []string{"openai.mjs", "responses.mjs", "anthropic.mjs", "gemini.mjs", "ai.mjs", "langchain.mjs"} {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			eachWay(t, func(t *testing.T, way string) { runScript(t, script, way) })
		})
	}
}

// The clients for node ask for more than text.
func TestNodeBesideText(t *testing.T) {
	modules(t)
	f := func(script string, env ...string) {
		t.Run(strings.TrimSuffix(script, ".mjs")+" "+strings.Join(env, " "), func(t *testing.T) { node(t, script, env...) })
	}
	f("media.mjs", "WAY=demo")
	f("media.mjs", "WAY=openai")
	f("realtime.mjs", "MODEL=openai-live")
	f("cohere.mjs", "MODEL=demo-rerank")
}

func runScript(t *testing.T, script, way string) {
	t.Helper()
	vectors := way + "-vectors"
	if way == "anthropic" {
		vectors = "" // it has none
	}
	node(t, script, "MODEL="+way, "LIMITED_MODEL="+way+"-limited", "REFUSED_MODEL="+way+"-refused", "EMBEDDING_MODEL="+vectors)
}

func node(t *testing.T, script string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", script)
	cmd.Env = append(append(os.Environ(), "BASE_URL="+box.url, "KEY="+callerKey), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// modules installs what package-lock.json pins, unless it is there.
func modules(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("%v: install Node.js 20 or later", err)
	}
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if done, err := os.Stat("node_modules/.package-lock.json"); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return
	}
	if out, err := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}
