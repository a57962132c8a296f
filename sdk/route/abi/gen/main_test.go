package main

import (
	"bytes"
	"os"
	"testing"
)

func TestRustLayoutIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../../rust/src/layout.rs")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Layout()) {
		t.Error("sdk/rust/src/layout.rs is not what package abi says; run `go generate ./sdk/route/abi` and rebuild the modules")
	}
}
