package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// maxPipelines bounds the files of a folder.
const maxPipelines = 500

// readPipelines adds the pipelines of the folder that pipelines_dir names: one a
// file, called like it.
func (c *Config) readPipelines(p *problems) {
	dir := c.PipelinesDir
	if dir == "" {
		return
	}
	if !filepath.IsAbs(dir) && c.File != "" {
		dir = filepath.Join(filepath.Dir(c.File), dir)
	}
	files, err := pipelineFiles(dir)
	if err != nil {
		p.addf("pipelines_dir", "%v", err)
		return
	}
	c.Files = append(slices.Clip(c.Files), dir)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if _, has := c.Pipelines[name]; has {
			p.addf(join("pipelines", name), "is there twice, in the configuration and as %s: keep one", file)
			continue
		}
		spec, bad := readPipeline(file, name)
		p.list = append(p.list, bad...)
		if c.Pipelines == nil {
			c.Pipelines = map[string]call.Pipeline{}
		}
		c.Pipelines[name] = spec
		c.Files = append(c.Files, file)
	}
}

func pipelineFiles(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) > maxPipelines {
		return nil, fmt.Errorf("%s holds more than %d pipelines", dir, maxPipelines)
	}
	return files, nil
}

func readPipeline(file, name string) (call.Pipeline, []Problem) {
	raw, err := readFile(file)
	if err != nil {
		return call.Pipeline{}, []Problem{{join("pipelines", name), err.Error()}}
	}
	spec, err := ParsePipeline(name, raw)
	var bad *Error
	switch {
	case errors.As(err, &bad):
		return spec, bad.Problems
	case err != nil:
		return spec, []Problem{{join("pipelines", name), fmt.Sprintf("%s: %v", file, err)}}
	}
	return spec, nil
}

// ParsePipeline reads a pipeline as a file of pipelines_dir has it. A returned
// error that is an *Error lists all that is wrong with its fields.
func ParsePipeline(name string, raw []byte) (spec call.Pipeline, err error) {
	doc, err := parseYAML(raw)
	if err != nil {
		return spec, err
	}
	d := &decoder{}
	d.value(join("pipelines", name), doc, reflect.ValueOf(&spec).Elem())
	return spec, d.err("")
}
