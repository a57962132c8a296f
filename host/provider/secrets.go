package provider

import (
	"net/url"
	"slices"
	"strings"
	"sync"
)

// maxSecrets bounds how many texts are looked for: rotated credentials and
// minted tokens add up over a process's life.
const maxSecrets = 256

// secrets are texts that no log may hold.
type secrets struct {
	mu       sync.RWMutex
	texts    []string
	replacer *strings.Replacer
}

// hide adds a text; of too many the oldest is forgotten.
func (s *secrets) hide(text string) {
	if text == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.texts, text) {
		return
	}
	if s.texts = append(s.texts, text); len(s.texts) > maxSecrets {
		s.texts = s.texts[1:]
	}
	var pairs []string
	for _, t := range s.texts {
		pairs = append(pairs, t, redacted)
		if esc := url.QueryEscape(t); esc != t {
			pairs = append(pairs, esc, redacted)
		}
	}
	s.replacer = strings.NewReplacer(pairs...)
}

func (s *secrets) redact(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
}
