package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// kindNodeKeys is that of the documents in which nodes tell, under their ids,
// which key-encryption keys they have.
const kindNodeKeys = "node_keys"

type nodeKeys struct {
	KEKs []string `json:"keks"`
}

// nodeLives is for how long after it was seen a node is taken to live.
const nodeLives = time.Minute

// tellKeys writes down which key-encryption keys this node has.
func (h *Host) tellKeys(ctx context.Context) error {
	body, err := json.Marshal(nodeKeys{h.seal.KEKs()})
	if err != nil {
		return err
	}
	d := call.Document{Kind: kindNodeKeys, Name: h.store.Node().ID}
	for {
		docs, err := h.store.Documents(ctx, kindNodeKeys)
		if err != nil {
			return err
		}
		d.Revision, d.Body = 0, body
		if i := slices.IndexFunc(docs, func(other call.Document) bool { return other.Name == d.Name }); i >= 0 {
			if d.Revision = docs[i].Revision; string(docs[i].Body) == string(body) {
				return nil
			}
		}
		if _, err = h.store.PutDocument(ctx, d); !errors.Is(err, call.ErrRevision) {
			return err
		}
	}
}

// checkNodes refuses to wrap under a key that a node which lives does not have:
// it could open nothing any more, and not start again.
func (h *Host) checkNodes(ctx context.Context, kek string) error {
	if err := h.store.Beat(ctx); err != nil {
		return err
	}
	nodes, err := h.store.Nodes(ctx)
	if err != nil {
		return err
	}
	docs, err := h.store.Documents(ctx, kindNodeKeys)
	if err != nil {
		return err
	}
	if names := lacking(nodes, docs, kek); len(names) > 0 {
		return wire.Errorf(http.StatusConflict, "key_not_everywhere", "%s not have the key %s: give it to them as secrets.key, or in secrets.previous, and have them reload",
			map[bool]string{true: "the node " + names[0] + " does", false: fmt.Sprintf("the nodes %s do", strings.Join(names, ", "))}[len(names) == 1], kek)
	}
	return nil
}

// lacking names the nodes that live and have not told that they have the key.
// They were seen by the store's clock, which this node's may differ from: now is
// when the last of them was, and this one has just been.
func lacking(nodes []store.Node, docs []call.Document, kek string) (names []string) {
	now := slices.MaxFunc(nodes, func(a, b store.Node) int { return a.Seen.Compare(b.Seen) }).Seen
	for _, n := range nodes {
		if !n.Fenced.IsZero() || now.Sub(n.Seen) > nodeLives {
			continue
		}
		var has nodeKeys
		if i := slices.IndexFunc(docs, func(d call.Document) bool { return d.Name == n.ID }); i >= 0 {
			_ = json.Unmarshal(docs[i].Body, &has) // what cannot be read tells nothing
		}
		if !slices.Contains(has.KEKs, kek) {
			names = append(names, n.ID)
		}
	}
	return names
}
