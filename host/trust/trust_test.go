package trust

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/trust/trusttest"
)

func TestKeys(t *testing.T) {
	signer := trusttest.New()
	signature := signer.Sign([]byte("program"))
	keys, err := Parse([]string{signer.Key}, true)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keys.Verify([]byte("program"), signature)
	if err != nil || len(id) != 16 {
		t.Errorf("got %s, %v", id, err)
	}
	others, err := Parse([]string{trusttest.New().Key}, true)
	if err != nil {
		t.Fatal(err)
	}
	if !keys.Vouched(id) || keys.Vouched("") || others.Vouched(id) || !(Keys{}).Vouched("") || !(Keys{}).Vouched(id) {
		t.Error("vouched for by whom nobody trusts, or not by whom somebody does")
	}
	if _, err := keys.Verify([]byte("Program"), signature); err == nil {
		t.Error("another program passes")
	}
	if _, err := keys.Verify([]byte("program"), strings.Replace(signature, "timestamp:1", "timestamp:2", 1)); err == nil {
		t.Error("another comment passes")
	}
	if _, err := keys.Verify([]byte("program"), "nonsense"); err == nil || !strings.Contains(err.Error(), ".minisig") {
		t.Errorf("got %v", err)
	}
	if _, err := (Keys{}).Verify([]byte("program"), signature); err == nil || !strings.Contains(err.Error(), "trusted_keys") {
		t.Errorf("got %v", err)
	}
	if _, err := Parse([]string{"x"}, false); err == nil {
		t.Error("a bad key was read")
	}
	if _, err := Parse(nil, true); err == nil {
		t.Error("signatures of nobody are required")
	}
}
