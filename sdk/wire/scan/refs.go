package scan

// openItem is what is known of the item of a Responses request that is being read.
type openItem struct {
	id    []byte
	kind  []byte
	whole bool // it holds its content itself
}

// reference acts on a string that names what lies at the provider, or tells
// whether an item does.
func (s *scanner) reference(st state, text []byte) bool {
	switch st {
	case itemType:
		s.item.kind = text
	case itemID:
		s.item.id = text
	case itemWhole:
		s.item.whole = true
	case fileID:
		s.refer(RefFile, text)
	case responseID:
		s.refer(RefResponse, text)
	case conversation, conversationID:
		s.refer(RefConversation, text)
	case container:
		s.refer(RefContainer, text)
	}
	return true
}

func (s *scanner) refer(kind RefKind, id []byte) {
	s.f.Unbounded = true
	if len(id) > 0 {
		s.f.Refs = append(s.f.Refs, Ref{kind, id})
	}
}

// endItem decides whether the item that ends is one that the provider keeps.
// One that does not say what it is, and has no content, is such.
func (s *scanner) endItem() {
	switch it := &s.item; string(it.kind) {
	case "item_reference":
		s.f.Unbounded = true
		s.refer(RefItem, it.id)
	case "image_generation_call", "":
		if !it.whole && len(it.id) > 0 {
			s.refer(RefItem, it.id)
		}
	}
	s.item = openItem{}
}
