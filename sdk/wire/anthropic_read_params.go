package wire

func (r *reader) anthropicToolChoice(q *request) {
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			switch w := r.word(); w {
			case "auto":
				q.choice.mode = chooseAuto
			case "any":
				q.choice.mode = chooseAny
			case "tool":
				q.choice.mode = chooseOne
			case "none":
				q.choice.mode = chooseNone
			default:
				r.fault("invalid_value", `is %q; want "auto", "any", "tool" or "none"`, w)
			}
		case "name":
			q.choice.name = r.raw()
		case "disable_parallel_tool_use":
			q.serial = r.flag()
		}
	}
	if ok && q.choice.mode == chooseOne {
		r.path = r.path[:m]
		r.need(q.choice.name, "name")
	}
}

func (r *reader) anthropicThinking(q *request) {
	t := &q.thinking
	t.asked = "thinking"
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			switch w := r.word(); w {
			case "enabled", "adaptive":
				t.on = true
			case "disabled":
				t.off = true
			default: // new ones come with new models
				q.drop("thinking.type")
			}
		case "budget_tokens":
			t.budget = r.whole()
		case "display":
			switch r.word() {
			case "summarized":
				t.show = shown
			case "omitted":
				t.show = hidden
			}
		}
	}
}

func (r *reader) anthropicOutputConfig(q *request) {
	m, ok := r.object()
	for ok && r.key(m) {
		switch name := string(r.Name()); name {
		case "effort":
			q.thinking.effort = r.word()
			if q.thinking.asked == "" {
				q.thinking.asked = "output_config.effort"
			}
		case "format":
			q.format = r.anthropicFormat("output_config.format")
		default:
			if !r.idle() {
				q.drop("output_config." + name)
			}
		}
	}
}

func (r *reader) anthropicFormat(asked string) *outputFormat {
	f := &outputFormat{name: raw("output"), asked: asked}
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			if w := r.word(); w != "json_schema" {
				r.fault("invalid_value", `is %q; want "json_schema"`, w)
			}
		case "schema":
			f.schema = r.skipObject()
		}
	}
	if f.schema == nil {
		return nil
	}
	return f
}

func (r *reader) anthropicMetadata(q *request) {
	m, ok := r.object()
	for ok && r.key(m) {
		if name := string(r.Name()); name == "user_id" {
			q.user = r.raw()
		} else if !r.idle() {
			q.drop("metadata." + name)
		}
	}
}

func (r *reader) anthropicTier(q *request) {
	switch r.word() {
	case "auto":
		q.tier = autoTier
	case "standard_only":
		q.tier = standardTier
	case "":
	default:
		q.drop("service_tier")
	}
}
