package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completeTime is for how long a shell waits for names.
const completeTime = 2 * time.Second

// named are the commands whose argument, or flag, is the name of something
// that the running gateway knows.
var named = []struct{ command, flag, what string }{
	{"key show", "", "keys"}, {"key update", "", "keys"}, {"key rotate", "", "keys"}, {"key revoke", "", "keys"},
	{"plugin logs", "", "providers"}, {"plugin restart", "", "providers"}, {"credential add", "", "providers"},
	{"credential rotate", "", "providers"}, {"credential remove", "", "providers"}, {"chat", "", "models"},
	{"tail", "key", "keys"}, {"tail", "model", "models"}, {"top", "key", "keys"}, {"top", "model", "models"}, {"usage", "key", "keys"}, {"usage", "model", "models"},
}

// completeNames has shells offer names of the running gateway's. Where none
// answers they offer nothing.
func completeNames(root *cobra.Command, src *sources) {
	for _, n := range named {
		c, _, err := root.Find(strings.Fields(n.command))
		if err != nil {
			panic("BUG: there is no command " + n.command)
		}
		offer := func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if n.flag == "" && len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return namesOf(c, src, n.what), cobra.ShellCompDirectiveNoFileComp
		}
		if n.flag == "" {
			c.ValidArgsFunction = offer
		} else if err := c.RegisterFlagCompletionFunc(n.flag, offer); err != nil {
			panic("BUG: " + err.Error())
		}
	}
}

// namesOf asks for the names of keys, providers or models.
func namesOf(c *cobra.Command, src *sources, what string) (names []string) {
	a := &access{src: src}
	for name, to := range map[string]*string{"address": &a.address, "token": &a.token, "ca": &a.ca} {
		if f := c.Flag(name); f != nil {
			*to = f.Value.String()
		}
	}
	api, err := a.open()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	var keys struct{ Keys []struct{ Name string } }
	var status struct{ Providers []struct{ Provider string } }
	var models struct{ Models []struct{ Name string } }
	switch what {
	case "keys":
		err = api.do(ctx, http.MethodGet, "/admin/keys", nil, &keys)
	case "providers":
		err = api.do(ctx, http.MethodGet, "/admin/status", nil, &status)
	case "models":
		err = api.do(ctx, http.MethodGet, "/admin/models", nil, &models)
	}
	if err != nil {
		return nil
	}
	for _, k := range keys.Keys {
		names = append(names, k.Name)
	}
	for _, p := range status.Providers {
		names = append(names, p.Provider)
	}
	for _, m := range models.Models {
		names = append(names, m.Name)
	}
	return compact(names)
}
